# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that opens, writes and removes files on a node: by directory descriptor, never through a link.

A new file is created under a temporary name with ``O_EXCL|O_NOFOLLOW`` and mode 0600, written, given its mode and
owner, flushed to disk and only then renamed. Root works only in directories that belong to root: see
:func:`open_directory`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import selinux
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = [
    "INTACT",
    "Observed",
    "back_up",
    "change_mode",
    "clear_leftovers",
    "explain",
    "explained",
    "is_leftover",
    "is_roots",
    "keep",
    "leftovers",
    "locked",
    "make_directory",
    "observe",
    "open_directory",
    "parent_directory",
    "replace_link",
    "sync",
    "write_temporary",
]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Never blocks on a FIFO, never follows a link, never becomes a controlling terminal.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel: MAXSYMLINKS

_TEMPORARY_PREFIX = ".grid-security-"
_TEMPORARY_SUFFIX = ".tmp"
_LOCK_WAIT = 20.0  # seconds for another run to finish with a directory
_LOCK_PAUSE = 0.05  # seconds between two tries

# What says that a file cannot be read, not that reading failed: not allowed, or exchanged for a link or a socket.
_UNREADABLE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.ENOENT}
# What file systems without hard links say, and kernels that protect other users' files from them.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.ENOENT}
_NOTHING_TO_SYNC = {errno.EINVAL, errno.ENOTSUP}

INTACT = "What was there before is intact."
_REMEDY = "Mend the cause (rights, owner, space, quota, read-only file system), then run again."


@contextlib.contextmanager
def explained(path: str, what: str, state: str = INTACT) -> Iterator[None]:
    """Turn what the system says into a message; see :func:`explain`."""
    try:
        yield
    except OSError as error:
        raise explain(path, what, state, error) from error


def explain(path: str, what: str, state: str, error: OSError) -> GridSecurityError:
    """What went wrong: ``path`` cannot be ``what`` (a participle).

    :param state: what is there now; unless that is what was there before, the kind is ``incomplete``.
    """
    kind = "os_error" if state == INTACT else "incomplete"
    return GridSecurityError(kind, f"{path} cannot be {what}: {error.strerror}. {state} {_REMEDY}")


@dataclass(frozen=True)
class Observed:
    """What is at a path now.

    :param kind: ``absent``, ``file``, ``link``, ``directory`` or ``other`` (FIFO, socket, device).
    :param content: of a regular file no larger than asked for and readable; else None.
    """

    kind: str
    mode: int = 0
    uid: int = -1
    gid: int = -1
    target: str | None = None
    content: bytes | None = None
    context: bytes | None = None

    @property
    def sha256(self) -> str | None:
        return None if self.content is None else hashlib.sha256(self.content).hexdigest()


@contextlib.contextmanager
def open_directory(path: str) -> Iterator[int]:
    """A descriptor for the directory ``path``, which itself must not be a symbolic link.

    Root walks down from ``/`` and refuses a directory or link that somebody else could exchange. A user simply opens:
    what they may reach, they may reach.

    :raises GridSecurityError: with the cause and what to do.
    """
    try:
        descriptor = _walk_as_root(path) if os.geteuid() == 0 else os.open(path, _DIRECTORY)
    except OSError as error:
        raise _directory_error(path, error) from error
    try:
        yield descriptor
    finally:
        _close(descriptor)


def _close(directory: int) -> None:
    """Nothing was written through it, so there is nothing to lose if the system complains."""
    with contextlib.suppress(OSError):
        os.close(directory)


def is_roots(path: str) -> bool:
    """Whether this process is root, and nobody else can put or exchange anything at ``path``, existing or not."""
    if os.geteuid() != 0:
        return False
    try:
        descriptor = _walk_as_root(path)
    except FileNotFoundError:
        return is_roots(os.path.dirname(path))
    except (GridSecurityError, OSError):
        return False
    try:
        return not os.fstat(descriptor).st_mode & stat.S_IWOTH  # in /tmp a user does as well
    finally:
        _close(descriptor)


@contextlib.contextmanager
def parent_directory(path: str) -> Iterator[tuple[int, str]]:
    """A descriptor for the directory that holds ``path``, and the name of ``path`` in it."""
    parent, name = os.path.split(path.rstrip("/"))
    with open_directory(parent or "/") as descriptor:
        yield descriptor, name


def _walk_as_root(path: str) -> int:
    todo = [part for part in reversed(path.split("/")) if part]
    descriptor = os.open("/", _DIRECTORY)
    links = 0
    try:
        while todo:
            name = todo.pop()
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            _check_root_owned(path, name, status)
            if stat.S_ISLNK(status.st_mode) and todo:
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                target = os.readlink(name, dir_fd=descriptor)
                todo += [part for part in reversed(target.split("/")) if part]
                following = "/" if target.startswith("/") else "."
            else:
                following = name
            child = os.open(following, _DIRECTORY, dir_fd=descriptor)
            _close(descriptor)
            descriptor = child
            _check_root_owned(path, name, os.fstat(descriptor))
    except BaseException:
        _close(descriptor)
        raise
    return descriptor


def _check_root_owned(path: str, name: str, status: os.stat_result) -> None:
    """Whoever owns a directory, or may write to it, can exchange what is below: root stays out of there."""
    open_to_all = status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX
    if status.st_uid != 0 or (open_to_all and not stat.S_ISLNK(status.st_mode)):
        raise GridSecurityError(
            "not_roots",
            f"{path}: root does not work here, because {name!r} on the way belongs to user id {status.st_uid} or is"
            " writable by everybody. Name the user whose rights are to be used in owner.",
        )


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


def observe(directory: int, name: str, limit: int | None = None) -> Observed:
    """What ``name`` in ``directory`` is now.

    :param limit: read the content of a regular file of at most so many bytes.
    """
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return Observed("absent")
    facts: dict[str, Any] = {"mode": stat.S_IMODE(status.st_mode), "uid": status.st_uid, "gid": status.st_gid}
    if stat.S_ISLNK(status.st_mode):
        return Observed("link", target=os.readlink(name, dir_fd=directory), **facts)
    if stat.S_ISDIR(status.st_mode):
        return Observed("directory", **facts)
    if not stat.S_ISREG(status.st_mode):
        return Observed("other", **facts)
    if limit is None or status.st_size > limit:
        return Observed("file", **facts)
    return _observe_file(directory, name, limit, facts)


def _observe_file(directory: int, name: str, limit: int, facts: dict[str, Any]) -> Observed:
    try:
        descriptor = os.open(name, _READ, dir_fd=directory)
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        return Observed("file", **facts)  # mode 000, or exchanged under us: it has to be written anew either way
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Observed("other", **facts)
        content = stream.read(limit + 1)
        context = selinux.current(descriptor)
    return Observed("file", content=content if len(content) <= limit else None, context=context, **facts)


def write_temporary(directory: int, path: str, content: bytes, mode: int, owner: tuple[int, int] | None) -> str:
    """A complete file under a temporary name, to be renamed to the last part of ``path``.

    :param owner: user and group id to give the file to; -1 keeps either.
    """
    temporary = _temporary_name()
    descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            if owner is not None:
                os.fchown(descriptor, *owner)
            os.fchmod(descriptor, mode)
            selinux.label(descriptor, path, mode)
            os.fsync(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise
    return temporary


def _temporary_name() -> str:
    return f"{_TEMPORARY_PREFIX}{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}"


def make_directory(parent: int, name: str, mode: int) -> bool:
    """Create a directory, and say whether it was missing.

    It has its mode from the first instant: nobody would know later that an interrupted run meant to change it.
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
    """See that what was done in a directory is on disk, where the file system has one."""
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno not in _NOTHING_TO_SYNC:
            raise


def keep(directory: int, name: str) -> str | None:
    """A second, temporary name for what is there now, to bring it back; None where there are no second names."""
    temporary = _temporary_name()
    try:
        os.link(name, temporary, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return None
    return temporary


def back_up(directory: int, name: str, mode: int) -> str:
    """A second name for the present file, in ansible's pattern for backups; its mode narrowed to ``mode``.

    That of a run which was interrupted before it replaced the file is taken over.
    """
    backup = _present_backup(directory, name) or f"{name}.{os.getpid()}.{time.strftime('%Y-%m-%d@%H:%M:%S~')}"
    with contextlib.suppress(FileExistsError):
        os.link(name, backup, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    if observe(directory, backup).kind == "file":
        descriptor = os.open(backup, _READ, dir_fd=directory)
        with os.fdopen(descriptor, "rb"):
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) & mode)
    return backup


def _present_backup(directory: int, name: str) -> str | None:
    present = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if present.st_nlink < 2:
        return None
    pattern = re.compile(rf"{re.escape(name)}\.\d+\.[-\d]+@[:\d]+~")
    for other in filter(pattern.fullmatch, os.listdir(directory)):
        if os.path.samestat(present, os.stat(other, dir_fd=directory, follow_symlinks=False)):
            return other
    return None


def replace_link(directory: int, name: str, target: str) -> None:
    """A symbolic link ``name`` to ``target``, put in place of whatever had that name in one step."""
    temporary = _temporary_name()
    os.symlink(target, temporary, dir_fd=directory)
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def change_mode(directory: int, name: str, mode: int) -> None:
    """Set the mode of a regular file, through a descriptor so that no exchanged link is followed."""
    descriptor = os.open(name, _READ, dir_fd=directory)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(directory: int, path: str) -> Iterator[None]:
    """Let no second run work in ``directory`` at the same time. Where the file system cannot lock, go on without."""
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise GridSecurityError(
                    "locked", f"{path} is locked by another process. Wait until it is done, then run again."
                ) from None
            time.sleep(_LOCK_PAUSE)
        except OSError:
            break
    yield  # closing the descriptor unlocks


def is_leftover(name: str) -> bool:
    """Whether a file is called like those that a killed run leaves."""
    return name.startswith(_TEMPORARY_PREFIX) and name.endswith(_TEMPORARY_SUFFIX)


def leftovers(directory: int) -> list[str]:
    """Temporary files that a killed run left in ``directory``."""
    return [name for name in os.listdir(directory) if is_leftover(name) and _is_ours(directory, name)]


def _is_ours(directory: int, name: str) -> bool:
    """What others put there under such a name they have to remove themselves."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:  # of a run that is at work, or not any more
        return False
    return not stat.S_ISDIR(status.st_mode) and os.geteuid() in (0, status.st_uid)


def clear_leftovers(directory: int, path: str) -> None:
    """Remove them; to be called under the lock, so that they are nobody's work in progress."""
    for name in leftovers(directory):
        what = f"{path}/{name}, which an interrupted run left,"
        with explained(what, "removed"), contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
