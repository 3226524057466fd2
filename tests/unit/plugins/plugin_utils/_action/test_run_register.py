# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the facts that tasks keep for other tasks of the run."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest
from ansible import constants as C

from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache, run_register
from ansible_collections.grid.security.tests.support import conversions


@pytest.fixture(autouse=True)
def _local_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))


def save(host: str, owner: str, refused: str = "") -> None:
    register = run_register.load(host)
    register.add(conversions.options(owner=owner), f"/CN={owner}")
    if refused:
        register.refuse(conversions.options(owner=owner), {"sha256_fingerprint": refused})
    run_register.save(host, register)


def test_owners_are_known_to_later_tasks_of_the_same_node() -> None:
    save("wn1", "alice")
    save("wn1", "bob")
    assert run_register.load("wn1").owners == {"/cn=alice": ["alice"], "/cn=bob": ["bob"]}
    assert run_register.load("wn2").owners == {}


def refused(host: str, owner: str, fingerprint: str) -> bool:
    return run_register.load(host).is_refused(conversions.options(owner=owner), {"sha256_fingerprint": fingerprint})


def test_what_one_node_refused_is_known_for_all() -> None:
    save("wn1", "alice", "aa:bb")
    save("wn2", "bob", "cc:dd")
    save("wn3", "carol")
    for host in ("wn1", "se1"):
        assert refused(host, "alice", "aa:bb")
        assert refused(host, "bob", "cc:dd")
        assert not refused(host, "alice", "cc:dd")


def test_what_a_later_task_accepts_is_not_refused_any_more() -> None:
    save("wn1", "alice", "aa:bb")
    register = run_register.load("wn1")
    register.accept(conversions.options(owner="alice"), {"sha256_fingerprint": "aa:bb"})
    run_register.save("wn1", register)
    assert not refused("se1", "alice", "aa:bb")
    save("wn2", "alice", "aa:bb")
    run_register.save("wn1", register)
    assert refused("wn1", "alice", "aa:bb"), "another node has not accepted it"


def test_without_room_nothing_is_known_and_nothing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path / "missing"))
    save("wn1", "alice", "aa:bb")
    assert run_register.load("wn1").owners == {}


def test_register_that_another_task_is_writing_is_not_taken_for_empty() -> None:
    save("wn1", "alice", "aa:bb")
    found: list[bool] = []
    reader = threading.Thread(target=lambda: found.append(refused("se1", "alice", "aa:bb")))
    with run_cache._open(run_register._REFUSED) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        written = stream.read()
        stream.truncate(0)
        reader.start()
        reader.join(0.2)
        stream.write(written)
    reader.join()
    assert found == [True]
