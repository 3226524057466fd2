# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply a plan."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import (
    apply,
)
from ansible_collections.grid.security.tests.support.file_sets import CONTENT, converge, key


def test_a_directory_is_removed_only_if_it_is_empty(home: Path) -> None:
    gone = {"path": "vo", "state": "absent", "empty_directory": True}
    (home / "vo").mkdir()
    (home / "vo/README").touch()
    converge(home, gone)
    assert (home / "vo/README").exists()
    (home / "vo/README").unlink()
    assert converge(home, gone, check=True)["changed"]
    assert converge(home, gone)["changed"]
    assert not list(home.iterdir())
    assert not converge(home, gone)["changed"]


def test_more_files_than_may_be_open(home: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, usual[1]))
    try:
        assert not converge(home, *(key(path=f"key{number}") for number in range(300))).get("failed")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert {path.read_bytes() for path in home.iterdir()} == {CONTENT}
    assert len(list(home.iterdir())) == 300


def test_link_is_replaced_and_its_target_left_alone(home: Path) -> None:
    (home / "elsewhere").write_bytes(b"precious")
    (home / "key").symlink_to("elsewhere")
    assert converge(home, key())["changed"]
    assert (home / "elsewhere").read_bytes() == b"precious"
    assert not (home / "key").is_symlink()


def test_fifo_does_not_block(home: Path) -> None:
    os.mkfifo(home / "key")
    assert converge(home, key())["changed"]
    assert (home / "key").read_bytes() == CONTENT


def test_removes_and_then_changes_nothing(home: Path) -> None:
    converge(home, key())
    gone = {"path": "key", "state": "absent"}
    assert converge(home, gone)["changed"]
    assert not converge(home, gone)["changed"]


def test_backup_keeps_the_old_file_narrowed(home: Path) -> None:
    (home / "key").write_bytes(b"old")
    (home / "key").chmod(0o644)
    backup = Path(converge(home, key(backup=True))["entries"][0]["backup_file"])
    assert backup.read_bytes() == b"old"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_leftovers_are_cleared(home: Path) -> None:
    converge(home, key())
    (home / ".grid-security-0123.tmp").write_bytes(b"half")
    assert converge(home, key(), send=False)["changed"]
    assert [path.name for path in home.iterdir()] == ["key"]


def test_leftovers_are_cleared_where_nothing_else_is_to_be_removed(home: Path) -> None:
    (home / ".grid-security-0123.tmp").write_bytes(b"a whole key")
    assert converge(home, {"path": "key", "state": "absent"})["changed"]
    assert not list(home.iterdir())


def test_backup_of_an_interrupted_run_is_taken_over(home: Path) -> None:
    (home / "key").write_bytes(b"old")
    os.link(home / "key", home / "key.4711.2026-01-02@03:04:05~")
    backup = converge(home, key(backup=True))["entries"][0]["backup_file"]
    assert backup == str(home / "key.4711.2026-01-02@03:04:05~")
    assert len(list(home.iterdir())) == 2


def test_link_entries(home: Path) -> None:
    link = {"path": "link", "state": "link", "target": "key"}
    assert converge(home, key(), link)["changed"]
    assert os.readlink(home / "link") == "key"
    assert not converge(home, key(), link)["changed"]


def test_directory_that_comes_and_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_parents = apply._open_parents

    def late(*arguments: Any) -> dict[str, int]:
        (home / "new").rmdir()
        try:
            return open_parents(*arguments)
        finally:
            (home / "new").mkdir()

    monkeypatch.setattr(apply, "_open_parents", late)
    result = converge(home, {"path": "new", "state": "directory"}, key(path="new/key"))
    assert result["error_code"] == "no_directory"
    assert not list((home / "new").iterdir())
