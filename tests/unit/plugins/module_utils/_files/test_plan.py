# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the present state of paths with the wanted state."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.support.file_sets import converge, key


def test_mode_alone_needs_no_content(home: Path) -> None:
    converge(home, key())
    (home / "key").chmod(0o644)
    result = converge(home, key(), send=False)
    assert result["entries"][0]["changes"] == ["mode 0644 → 0600"]
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600


def test_linked_directory_is_refused(home: Path) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to("real")
    result = converge(home / "link", key())
    assert result["failed"]
    assert result["error_code"] == "not_a_directory"
    assert not list((home / "real").iterdir())


def test_directory_in_the_way_is_refused(home: Path) -> None:
    (home / "key").mkdir()
    assert converge(home, key())["error_code"] == "is_directory"


def test_no_file_is_removed_in_place_of_a_directory(home: Path) -> None:
    (home / "vo").touch()
    assert converge(home, {"path": "vo", "state": "absent", "empty_directory": True})["failed"]
    assert (home / "vo").exists()


def test_a_directory_that_is_not_said_to_be_empty_stays(home: Path) -> None:
    (home / "vo").mkdir()
    assert converge(home, {"path": "vo", "state": "absent"})["error_code"] == "is_directory"
    assert (home / "vo").is_dir()


def test_leftover_that_cannot_be_looked_at_is_not_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a key."""
    look, leftover = os.stat, ".grid-security-0123.tmp"

    def broken(path: Any, **options: Any) -> os.stat_result:
        if path == leftover:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return look(path, **options)

    converge(home, key())
    (home / leftover).write_bytes(b"half")
    monkeypatch.setattr(os, "stat", broken)
    result = converge(home, key(), send=False)
    assert result["error_code"] == "os_error"
    assert str(home) in result["msg"]


def test_directory_under_a_temporary_name_is_somebody_else_s(home: Path) -> None:
    converge(home, key())
    (home / ".grid-security-0123.tmp").mkdir()
    assert not converge(home, key(), send=False)["changed"]
