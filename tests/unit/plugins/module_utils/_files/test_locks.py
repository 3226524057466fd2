# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks in rare moments, and the leftovers of killed runs."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import (
    locks,
    scan,
)
from ansible_collections.grid.security.tests.support.file_sets import converge

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
    with locks.locked(directory, str(tmp_path)):
        with open(tmp_path / LOCK) as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.iterdir())


def test_lock_that_somebody_keeps(tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "_WAIT", 0.2)
    descriptor = hold(tmp_path / LOCK)
    with ExitStack() as stack, pytest.raises(GridSecurityError, match="is locked by another run"):
        stack.enter_context(locks.locked(directory, str(tmp_path)))
    os.close(descriptor)


def test_lock_that_is_removed_in_the_moment_it_is_taken(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before removed it, and a third one has made and locked another: that is the one to wait for."""
    monkeypatch.setattr(locks, "_WAIT", 0.2)
    lock: Callable[[int, int], None] = fcntl.flock
    held: list[int] = []

    def lock_late(descriptor: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        (tmp_path / LOCK).unlink()
        held.append(hold(tmp_path / LOCK))
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    with ExitStack() as stack, pytest.raises(GridSecurityError, match="is locked by another run"):
        stack.enter_context(locks.locked(directory, str(tmp_path)))
    assert (tmp_path / LOCK).exists()
    os.close(held[0])


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), OSError(95, "Operation not supported")])
def test_file_system_without_locks(
    tmp_path: Path, directory: int, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locks.locked(directory, str(tmp_path)):
        pass
    assert not list(tmp_path.iterdir())


def test_in_a_shared_directory_only_own_leftovers_count(tmp_path: Path) -> None:
    """Whoever may write to /tmp may leave there what looks like ours, in every run."""
    if os.geteuid() != 0:
        pytest.skip("only root looks at files of others")
    shared = Path(tempfile.mkdtemp(prefix="grid-security-test-", dir="/var/tmp"))
    try:
        leftover = shared / ".grid-security-x.tmp"
        leftover.write_bytes(b"half")
        os.chown(leftover, pwd.getpwnam("nobody").pw_uid, -1)
        for mode, counts in ((0o1777, False), (0o755, True), (0o1777, False)):
            shared.chmod(mode)
            converged = converge(shared, {"path": "key", "state": "absent"}, check=True)
            assert converged["changed"] is counts, oct(mode)
            assert bool(scan.scan(str(shared), ["*.pem"])) is counts
        os.chown(leftover, 0, -1)
        assert converge(shared, {"path": "key", "state": "absent"})["changed"]
        assert not leftover.exists()
    finally:
        shutil.rmtree(shared)
