# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks, in moments that do not come by themselves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import secure_fs

LOCK = ".grid-security-lock.tmp"


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def hold(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_lock_is_held_and_then_gone(tmp_path: Path, directory: int) -> None:
    with secure_fs.locked(directory, str(tmp_path)):
        with open(tmp_path / LOCK) as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.iterdir())


def test_lock_that_somebody_keeps(tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secure_fs, "_LOCK_WAIT", 0.2)
    descriptor = hold(tmp_path / LOCK)
    with ExitStack() as stack, pytest.raises(GridSecurityError, match="is locked by another run"):
        stack.enter_context(secure_fs.locked(directory, str(tmp_path)))
    os.close(descriptor)


def test_lock_that_is_removed_in_the_moment_it_is_taken(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before removed it, and a third one has made and locked another: that is the one to wait for."""
    monkeypatch.setattr(secure_fs, "_LOCK_WAIT", 0.2)
    lock: Callable[[int, int], None] = fcntl.flock
    held: list[int] = []

    def lock_late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        (tmp_path / LOCK).unlink()
        held.append(hold(tmp_path / LOCK))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with ExitStack() as stack, pytest.raises(GridSecurityError, match="is locked by another run"):
        stack.enter_context(secure_fs.locked(directory, str(tmp_path)))
    assert (tmp_path / LOCK).exists()
    os.close(held[0])


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), OSError(95, "Operation not supported")])
def test_file_system_without_locks(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", refuse)
    with secure_fs.locked(directory, str(tmp_path)):
        pass
    assert not list(tmp_path.iterdir())


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
