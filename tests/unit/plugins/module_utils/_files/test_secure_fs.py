# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and modes of files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import (
    secure_fs,
)


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_two_backups_within_a_second(tmp_path: Path, directory: int) -> None:
    for text in ("one", "two", "three"):
        (tmp_path / "key").unlink(missing_ok=True)
        (tmp_path / "key").write_text(text)
        secure_fs.back_up(directory, "key", 0o600)
    backups = sorted(path for path in tmp_path.iterdir() if path.name.endswith("~"))
    assert {path.read_text() for path in backups} == {"one", "two", "three"}
    assert {path.stat().st_mode & 0o777 for path in backups} == {0o600}


def test_mode_of_another_user_s_file_is_left_alone(tmp_path: Path, directory: int) -> None:
    (tmp_path / "key").touch(0o600)
    assert not secure_fs.change_mode(directory, "key", 0o644, os.geteuid() + 1)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert secure_fs.change_mode(directory, "key", 0o644, os.geteuid())
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o644
