# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write, rename and remove files by directory descriptor, and never through a link.

A new file is created under a temporary name with ``O_EXCL|O_NOFOLLOW`` and mode 0600, written, given its mode and
owner, flushed to disk, and only then renamed. :mod:`directories` opens the directory.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import stat
import time

from ansible_collections.grid.security.plugins.module_utils._files import directories, selinux
from ansible_collections.grid.security.plugins.module_utils._files.leftovers import new_name
from ansible_collections.grid.security.plugins.module_utils._files.observed import READ

__all__ = [
    "back_up",
    "change_mode",
    "discard",
    "finish",
    "keep",
    "make_directory",
    "replace_link",
    "sync",
    "write_temporary",
]

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
# Errors of file systems without hard links, and of kernels that protect other users' files from hard links.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.ENOENT}
_NOTHING_TO_SYNC = {errno.EINVAL, errno.ENOTSUP}


def write_temporary(
    directory: int, path: str, content: bytes, mode: int, owner: tuple[int, int] | None
) -> tuple[str, int]:
    """Write a complete file under a temporary name. Return the name and a descriptor.

    The system is still writing the file to disk. Call :func:`finish` before you rename it to the last part of ``path``.

    :param owner: the user id and group id of the file; -1 keeps either.
    """
    temporary = new_name()
    descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as stream:
            stream.write(content)
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        selinux.label(descriptor, path, mode)
        _start_writing(descriptor)
    except BaseException:
        directories.close(descriptor)
        discard(directory, temporary)
        raise
    return temporary, descriptor


def _start_writing(descriptor: int) -> None:
    """Have the system begin to write a file to disk.

    If many files are flushed afterwards, the first commit of the journal (ext4, XFS) holds all of them. Otherwise each
    file would wait for its own commit.
    """
    with contextlib.suppress(AttributeError, OSError):  # it is only advice, and macOS does not have it
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def finish(descriptor: int) -> None:
    """Wait until a new file is on disk, and close it in any case."""
    try:
        os.fsync(descriptor)
    except BaseException:
        directories.close(descriptor)
        raise
    os.close(descriptor)


def discard(directory: int, name: str) -> None:
    """Remove a temporary file. If that is impossible now, the next run does it."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)


def make_directory(parent: int, name: str, mode: int) -> bool:
    """Create a directory with its final mode, and return whether it was missing.

    A later change of the mode could be interrupted, and the next run would not know that it is missing.
    """
    mask = os.umask(0)
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        return False
    finally:
        os.umask(mask)
    sync(parent)
    return True


def sync(directory: int) -> None:
    """Wait until the changes in a directory are on disk, if the file system has a disk."""
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno not in _NOTHING_TO_SYNC:
            raise


def keep(directory: int, name: str) -> str | None:
    """Give a file a second, temporary name, and return it; None if the file system has no hard links."""
    temporary = new_name()
    try:
        os.link(name, temporary, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return None
    return temporary


def back_up(directory: int, name: str, mode: int) -> str:
    """Give a file a second name in Ansible's pattern for backups. Take the bits that ``mode`` lacks away from its mode.

    If a run was interrupted before it replaced the file, its backup is used.
    """
    stem = f"{name}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S')}"
    backup = _present_backup(directory, name) or _link(directory, name, stem)
    status = os.stat(backup, dir_fd=directory, follow_symlinks=False)
    present = stat.S_IMODE(status.st_mode)
    if stat.S_ISREG(status.st_mode) and present & ~mode:
        change_mode(directory, backup, present & mode, status.st_uid)
    return backup


def _present_backup(directory: int, name: str) -> str | None:
    present = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if present.st_nlink < 2:
        return None
    pattern = re.compile(rf"{re.escape(name)}\.\d+\.[-\d]+@[:\d]+(\.\d+)?~")
    for other in directories.names(directory, lambda candidate: bool(pattern.fullmatch(candidate))):
        if os.path.samestat(present, os.stat(other, dir_fd=directory, follow_symlinks=False)):
            return other
    return None


def _link(directory: int, name: str, stem: str) -> str:
    """Give the file a second name that is free, and return the name."""
    for number in itertools.count():
        backup = f"{stem}.{number}~" if number else f"{stem}~"
        with contextlib.suppress(FileExistsError):
            os.link(name, backup, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            return backup
    raise AssertionError  # there is always another number


def replace_link(directory: int, name: str, target: str) -> None:
    """Replace ``name`` by a symbolic link to ``target`` in one step."""
    temporary = new_name()
    os.symlink(target, temporary, dir_fd=directory)
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        discard(directory, temporary)
        raise


def change_mode(directory: int, name: str, mode: int, uid: int) -> bool:
    """Set the mode of a regular file of user ``uid`` by descriptor. Return False if another file has this name now."""
    descriptor = os.open(name, READ, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != uid:
            return False
        os.fchmod(descriptor, mode)
        return True
    finally:
        os.close(descriptor)
