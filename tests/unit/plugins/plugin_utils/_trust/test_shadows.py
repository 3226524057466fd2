# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes with trust anchors of their own: named, and so are those where that cannot be seen."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import scan
from ansible_collections.grid.security.plugins.plugin_utils._trust import shadows

NAME = pwd.getpwuid(os.geteuid()).pw_name


def look(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    entry = pwd.getpwnam(NAME)
    account = SimpleNamespace(pw_name=NAME, pw_uid=entry.pw_uid, pw_gid=entry.pw_gid, pw_dir=str(home))
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: account)
    monkeypatch.setattr(scan, "scan", None)  # nothing is read
    return inspectors.converge(shadows.compare_sets([NAME]), {}, False, False)


def test_the_answer_is_yes_or_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shadows.warnings(look(tmp_path, monkeypatch), "/etc/certificates") == []
    (tmp_path / ".globus").mkdir()
    assert shadows.warnings(look(tmp_path, monkeypatch), "/etc/certificates") == []
    os.symlink(b"\xff", os.fsencode(tmp_path / ".globus/certificates"))
    (line,) = shadows.warnings(look(tmp_path, monkeypatch), "/etc/certificates")
    assert line.startswith(f"~/.globus/certificates shadows /etc/certificates for: {NAME}.")


def test_what_is_not_known_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".globus").symlink_to(".globus")
    failed = look(tmp_path, monkeypatch)
    (line,) = shadows.warnings([*failed, {"name": "bob", "exists": False}], "/etc/certificates")
    assert f"is not known for: {NAME}. The look-up for {NAME} failed: " in line
    assert str(tmp_path) in line
