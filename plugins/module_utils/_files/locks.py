# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock a directory against other runs, and clear the files that killed runs left there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import directories
from ansible_collections.grid.security.plugins.module_utils._files.leftovers import LOCK, is_leftover
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import explained
from ansible_collections.grid.security.plugins.module_utils._files.secure_fs import discard

__all__ = ["clear_leftovers", "has_leftovers", "is_own_leftover", "locked"]

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_WAIT = 20.0  # seconds for another run to finish with a directory
_PAUSE = 0.05  # seconds between two attempts


@contextlib.contextmanager
def locked(directory: int, path: str) -> Iterator[None]:
    """Let no second run work in ``directory`` at the same time. Go on without a lock if no file can be made or locked.

    The lock is on a file of this user. A lock on the directory could be taken by every user who may read the directory.
    """
    descriptor = _lock(directory, path)
    try:
        yield
    finally:
        if descriptor is not None:
            discard(directory, LOCK)  # if it stays, the next run uses it
            directories.close(descriptor)


def _lock(directory: int, path: str) -> int | None:
    deadline = time.monotonic() + _WAIT
    while True:
        try:
            descriptor = os.open(LOCK, _OPEN, 0o600, dir_fd=directory)
        except OSError:
            return None
        is_held = _try_lock(directory, descriptor)
        if is_held:
            return descriptor
        directories.close(descriptor)
        if is_held is None:
            return None
        if time.monotonic() > deadline:
            raise GridSecurityError(
                "locked", f"{path} is locked by another run. Wait until that is done, then run again."
            )
        time.sleep(_PAUSE)


def _try_lock(directory: int, descriptor: int) -> bool | None:
    """Tell whether this process has the lock now; None if this file cannot be locked."""
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The run that had the lock has removed the file since, and the next run may have made another file.
        return os.path.samestat(os.fstat(descriptor), os.stat(LOCK, dir_fd=directory, follow_symlinks=False))
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        discard(directory, LOCK)
        return None


def has_leftovers(directory: int) -> bool:
    """Tell whether ``directory`` has temporary files of a killed run, or of a run that goes on."""
    return any(True for _name in _leftovers(directory))


def clear_leftovers(directory: int, path: str) -> None:
    """Remove the temporary files of killed runs. Call it under the lock: then no other run uses these files."""
    for name in _leftovers(directory):
        if name != LOCK:
            subject = f"{path}/{name}, which an interrupted run left,"
            with explained(subject, "removed"), contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)


def _leftovers(directory: int) -> Iterator[str]:
    return directories.names(directory, lambda name: is_own_leftover(directory, name))


def is_own_leftover(directory: int, name: str) -> bool:
    """Tell whether ``name`` is a file or link that a killed run left.

    It must belong to the user for whom the run worked. Otherwise it would be found again in every run. Root also works
    for other users, but not in a directory that users share, such as ``/tmp``: there only files of root count.

    :raises OSError: the file cannot be looked at; it may hold a key.
    """
    if not is_leftover(name):
        return False
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    is_usual = stat.S_ISREG(status.st_mode) or (stat.S_ISLNK(status.st_mode) and name != LOCK)
    return is_usual and (status.st_uid == os.geteuid() or (os.geteuid() == 0 and not directories.is_shared(directory)))
