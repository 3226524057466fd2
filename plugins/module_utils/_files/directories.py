# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open directories by descriptor. Root opens only directories in which nobody else can exchange anything."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from typing import Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import INTACT, explain

__all__ = ["can_only_root_change", "close", "is_shared", "names", "open_directory", "parent_directory"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel: MAXSYMLINKS
_OPTION = re.compile(r"(\w+)=([^,]*)")  # of a mount


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """Yield a descriptor for the directory ``path``, which itself must not be a symbolic link.

    Root walks down from ``/`` and refuses a directory or link that another user could exchange. Other users open the
    path directly.

    :raises GridSecurityError: with the cause and the remedy.
    """
    try:
        descriptor = _walk_as_root(path) if os.geteuid() == 0 else os.open(path, _DIRECTORY)
    except OSError as error:
        raise _directory_error(path, error) from error
    try:
        yield descriptor
    finally:
        close(descriptor)


@contextlib.contextmanager
def parent_directory(path: str) -> Iterator[tuple[int, str]]:
    """Yield a descriptor for the parent directory of ``path``, and the name of ``path``. ``/`` has the name ``.``."""
    parent, name = os.path.split(path.rstrip("/"))
    with open_directory(parent or "/") as descriptor:
        yield descriptor, name or "."


def can_only_root_change(path: str) -> bool:
    """Tell whether this process is root, and nobody else can put or exchange anything at ``path``, existing or not."""
    if os.geteuid() != 0:
        return False
    try:
        descriptor = _walk_as_root(path)
    except FileNotFoundError:
        return can_only_root_change(os.path.dirname(path))
    except (GridSecurityError, OSError):
        return False
    try:
        return not is_shared(descriptor)  # /tmp is shared
    finally:
        close(descriptor)


def is_shared(descriptor: int) -> bool:
    """Tell whether users other than root may put something into a directory of root."""
    return _others_may_write(os.fstat(descriptor), descriptor)


def names(descriptor: int, wanted: Callable[[str], bool]) -> Iterator[str]:
    """Yield the wanted names in a directory. There may be more names than fit into memory, or an endless number."""
    with os.scandir(descriptor) as found:
        for entry in found:
            if wanted(entry.name):
                yield entry.name


def close(descriptor: int) -> None:
    """Close a descriptor, and ignore errors: nothing was written through it, or the file will be removed."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _directory_error(path: str, error: OSError) -> GridSecurityError:
    if error.errno in (errno.ENOTDIR, errno.ELOOP):
        cause = "is a symbolic link or no directory. Remove it, or name the real directory"
        return GridSecurityError("not_a_directory", f"{path} {cause}.")
    if error.errno == errno.ENOENT:
        return GridSecurityError("no_directory", f"{path} does not exist. Create it first, or name another directory.")
    if error.errno in (errno.EACCES, errno.EPERM):
        return GridSecurityError(
            "no_access", f"{path} cannot be opened ({error.strerror}). Give its owner access (chmod u+rwx)."
        )
    return explain(path, "opened", INTACT, error)


# --- the way of root --------------------------------------------------------------------------------------------------


def _walk_as_root(path: str) -> int:
    """Open a directory part by part from ``/``, with a check of each part.

    :raises GridSecurityError: ``not_roots`` if another user could exchange a part of the path.
    """
    parts = _parts(path)
    descriptor = os.open("/", _DIRECTORY)
    links = 0
    try:
        while parts:
            name = parts.pop()
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            _check_owner(path, name, status, None)
            entered = name
            if stat.S_ISLNK(status.st_mode) and parts:
                links += 1
                entered = _follow(name, descriptor, parts, links)
            descriptor = _enter(path, name, entered, descriptor)
    except BaseException:
        close(descriptor)
        raise
    return descriptor


def _parts(path: str) -> list[str]:
    """Return the parts of a path, the first part last."""
    return [part for part in reversed(path.split("/")) if part]


def _follow(name: str, descriptor: int, parts: list[str], links: int) -> str:
    """Add the parts of a link's target to ``parts``. Return the directory where the target starts.

    :param links: the number of links on the path so far.
    """
    if links > _MOST_LINKS:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    target = os.readlink(name, dir_fd=descriptor)
    parts += _parts(target)
    return "/" if target.startswith("/") else "."


def _enter(path: str, name: str, entered: str, descriptor: int) -> int:
    """Open the directory ``entered``, check it, and close its parent directory ``descriptor``."""
    child = os.open(entered, _DIRECTORY, dir_fd=descriptor)
    try:
        _check_mount(path, name, descriptor, child)
        _check_owner(path, name, os.fstat(child), child)
    except BaseException:
        close(child)
        raise
    close(descriptor)
    return child


def _check_owner(path: str, name: str, status: os.stat_result, descriptor: int | None) -> None:
    """Refuse a part of the path that a user owns or may write to: this user can exchange everything below."""
    shared = not stat.S_ISLNK(status.st_mode) and _others_may_write(status, descriptor)
    if status.st_uid != 0 or (shared and not status.st_mode & stat.S_ISVTX):
        raise _not_roots(path, f"{name!r} on the way belongs to user id {status.st_uid} or can be written by others")


def _others_may_write(status: os.stat_result, descriptor: int | None) -> bool:
    """Tell whether users other than root may write. If there is an ACL, the bits of the group are its maximum."""
    by_group = status.st_mode & stat.S_IWGRP and (status.st_gid != 0 or _has_acl(descriptor))
    return bool(status.st_mode & stat.S_IWOTH or by_group)


def _has_acl(descriptor: int | None) -> bool:
    try:
        return descriptor is not None and bool(os.getxattr(descriptor, "system.posix_acl_access"))
    except (AttributeError, OSError):  # no ACL, or a system without ACLs
        return False


def _check_mount(path: str, name: str, above: int, descriptor: int) -> None:
    """Refuse a file system that a user serves (FUSE): this user decides on its owners and links."""
    device = os.fstat(descriptor).st_dev
    if device != os.fstat(above).st_dev and _is_served_by_user(device):
        raise _not_roots(path, f"{name!r} on the way is a file system that a user mounted")


def _is_served_by_user(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            mounted = [line.split()[-1] for line in mounts if line.split()[2] == number]
    except OSError:  # not Linux
        return False
    return any(name == "user_id" and value != "0" for options in mounted for name, value in _OPTION.findall(options))


def _not_roots(path: str, cause: str) -> GridSecurityError:
    return GridSecurityError(
        "not_roots",
        f"{path}: root does not work here, because {cause}. Name the user whose rights are to be used in owner.",
    )
