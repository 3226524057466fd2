# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes take on the rights of an owner. Only root can."""

from __future__ import annotations

import contextlib
import os

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import accounts, child
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the rights of another user")


def rights() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


def test_rights_for_now_are_given_back_even_after_an_error() -> None:
    before, nobody = rights(), accounts.find_account("nobody")
    with contextlib.suppress(ValueError), child.owner_for_now(nobody):
        assert rights()[:2] == (nobody.uid, nobody.gid)
        assert os.getuid() == 0
        raise ValueError
    assert rights() == before


def test_rights_that_cannot_be_taken_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_uid: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    engine, end = Channel.pair()
    with engine, end:
        engine.send({"account": vars(accounts.find_account("nobody")), "argument": {}})
        before = rights()
        seteuid = os.seteuid
        monkeypatch.setattr(os, "seteuid", lambda uid: seteuid(uid) if uid == 0 else refuse(uid))
        child.do_job(end, lambda _argument: {"changed": True}, child.owner_for_now)
        assert b'"error_code": "os_error"' in engine.receive()
        assert rights() == before
