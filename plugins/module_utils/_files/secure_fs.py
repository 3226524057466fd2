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
import itertools
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import selinux
from ansible_collections.grid.security.plugins.module_utils._files.leftovers import LOCK, is_leftover, new_name

__all__ = [
    "INTACT",
    "WHOLE",
    "Observed",
    "back_up",
    "change_mode",
    "change_times",
    "clear_leftovers",
    "close",
    "discard",
    "explain",
    "explained",
    "finish",
    "has_leftovers",
    "is_left_by_us",
    "is_roots",
    "keep",
    "locked",
    "make_directory",
    "names",
    "observe",
    "open_directory",
    "parent_directory",
    "read_through",
    "replace_link",
    "sync",
    "write_temporary",
]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Never blocks on a FIFO, never follows a link, never becomes a controlling terminal.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 40  # as the kernel: MAXSYMLINKS
_OPTION = re.compile(r"(\w+)=([^,]*)")  # of a mount

_OPEN_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_LOCK_WAIT = 20.0  # seconds for another run to finish with a directory
_LOCK_PAUSE = 0.05  # seconds between two tries

# What says that a file cannot be read, not that reading failed: not allowed, exchanged for a link or a socket, or
# somebody has a lease on it.
_UNREADABLE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.ENOENT, errno.EWOULDBLOCK}
# What file systems without hard links say, and kernels that protect other users' files from them.
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.ENOENT}
_NOTHING_TO_SYNC = {errno.EINVAL, errno.ENOTSUP}

INTACT = "What was there before is intact."
WHOLE = "Every file is whole, the old one or the new one"
_REMEDY = "Fix the cause (rights, owner, space, quota, read-only file system), then run again."


@contextlib.contextmanager
def explained(path: str, what: str, state: str = INTACT) -> Iterator[None]:
    """Turn what the system says into a message; see :func:`explain`."""
    try:
        yield
    except OSError as error:
        raise explain(path, what, state, error) from error


def explain(path: str, what: str, state: str, error: OSError) -> GridSecurityError:
    """What went wrong: ``path`` cannot be ``what`` (a participle).

    :param state: what is there now; unless that is what was there before, the error code is ``incomplete``.
    """
    error_code = "os_error" if state == INTACT else "incomplete"
    return GridSecurityError(error_code, f"{path} cannot be {what}: {error.strerror}. {state} {_REMEDY}")


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
        close(descriptor)


def change_times(paths: list[str]) -> dict[str, int]:
    """Return when each file changed (ctime, in nanoseconds). Files that cannot be looked at are left out."""
    found = {}
    for path in paths:
        directory, name = os.path.split(path)
        try:
            with open_directory(directory) as descriptor:
                found[path] = os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_ctime_ns
        except (GridSecurityError, OSError):
            continue
    return found


def close(descriptor: int) -> None:
    """Close what nothing was written through, or what will be removed: nothing is lost if the system complains."""
    with contextlib.suppress(OSError):
        os.close(descriptor)


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
        return not _others_may_write(os.fstat(descriptor), descriptor)  # in /tmp a user does as well
    finally:
        close(descriptor)


@contextlib.contextmanager
def parent_directory(path: str) -> Iterator[tuple[int, str]]:
    """A descriptor for the directory that holds ``path``, and the name of ``path`` in it. ``/`` has the name ``.``."""
    parent, name = os.path.split(path.rstrip("/"))
    with open_directory(parent or "/") as descriptor:
        yield descriptor, name or "."


def _walk_as_root(path: str) -> int:
    todo = [part for part in reversed(path.split("/")) if part]
    descriptor = os.open("/", _DIRECTORY)
    links = 0
    try:
        while todo:
            name = todo.pop()
            status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            _check_roots(path, name, status)
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
            above, descriptor = descriptor, child
            try:
                _check_mount(path, name, above, descriptor)
            finally:
                close(above)
            _check_roots(path, name, os.fstat(descriptor), descriptor)
    except BaseException:
        close(descriptor)
        raise
    return descriptor


def _check_roots(path: str, name: str, status: os.stat_result, descriptor: int | None = None) -> None:
    """Whoever owns a directory, or may write to it, can exchange what is below: root stays out of there."""
    shared = not stat.S_ISLNK(status.st_mode) and _others_may_write(status, descriptor)
    if status.st_uid != 0 or (shared and not status.st_mode & stat.S_ISVTX):
        raise _not_roots(path, f"{name!r} on the way belongs to user id {status.st_uid} or can be written by others")


def _others_may_write(status: os.stat_result, descriptor: int | None) -> bool:
    """Whether somebody but root may put something into a directory of root. Where it has an ACL, the bits of the group
    say what that allows at most."""
    by_group = status.st_mode & stat.S_IWGRP and (status.st_gid != 0 or _has_acl(descriptor))
    return bool(status.st_mode & stat.S_IWOTH or by_group)


def _has_acl(descriptor: int | None) -> bool:
    try:
        return descriptor is not None and bool(os.getxattr(descriptor, "system.posix_acl_access"))
    except (AttributeError, OSError):  # none, or a system that has none
        return False


def _check_mount(path: str, name: str, above: int, descriptor: int) -> None:
    """In a file system that a user serves (FUSE), owners and links are what that user says: root stays out of there."""
    device = os.fstat(descriptor).st_dev
    if device != os.fstat(above).st_dev and _is_served_by_user(device):
        raise _not_roots(path, f"{name!r} on the way is a file system that a user mounted")


def _is_served_by_user(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
            options = [line.split()[-1] for line in mounts if line.split()[2] == number]
    except OSError:  # not Linux
        return False
    return any(name == "user_id" and value != "0" for one in options for name, value in _OPTION.findall(one))


def _not_roots(path: str, cause: str) -> GridSecurityError:
    return GridSecurityError(
        "not_roots",
        f"{path}: root does not work here, because {cause}. Name the user whose rights are to be used in owner.",
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


def read_through(directory: int, name: str, limit: int) -> bytes | None:
    """Return the content of the regular file that the link ``name`` leads to, if everybody may read the file.

    :param limit: None is returned for a larger file.
    """
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=directory).st_mode):  # to open a device may do something
            return None
        descriptor = os.open(name, _READ & ~os.O_NOFOLLOW, dir_fd=directory)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        content = stream.read(limit + 1) if stat.S_ISREG(mode) and mode & stat.S_IROTH else None
    return None if content is None or len(content) > limit else content


def write_temporary(
    directory: int, path: str, content: bytes, mode: int, owner: tuple[int, int] | None
) -> tuple[str, int]:
    """A complete file under a temporary name, to be renamed to the last part of ``path``; the name and a descriptor.

    It is on its way to disk: :func:`finish` waits for it, and has to be called before the file is renamed.

    :param owner: user and group id to give the file to; -1 keeps either.
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
        _hasten(descriptor)
    except BaseException:
        close(descriptor)
        discard(directory, temporary)
        raise
    return temporary, descriptor


def _hasten(descriptor: int) -> None:
    """Have the system begin to write a file. When many are flushed afterwards, the first one's commit of the journal
    (ext4, XFS) holds all of them; otherwise each would wait for one of its own."""
    with contextlib.suppress(AttributeError, OSError):  # it is advice, and macOS knows none
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def finish(descriptor: int) -> None:
    """See that a new file is on disk, and close it, whatever happens."""
    try:
        os.fsync(descriptor)
    except BaseException:
        close(descriptor)
        raise
    os.close(descriptor)


def discard(directory: int, name: str) -> None:
    """Remove a file of our own; if that cannot be done now, the next run sees to it."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=directory)


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
    temporary = new_name()
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
    for other in names(directory, lambda one: bool(pattern.fullmatch(one))):
        if os.path.samestat(present, os.stat(other, dir_fd=directory, follow_symlinks=False)):
            return other
    return None


def _link(directory: int, name: str, stem: str) -> str:
    """A name for the file that nothing had so far."""
    for number in itertools.count():
        backup = f"{stem}.{number}~" if number else f"{stem}~"
        with contextlib.suppress(FileExistsError):
            os.link(name, backup, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            return backup
    raise AssertionError  # numbers do not end


def replace_link(directory: int, name: str, target: str) -> None:
    """A symbolic link ``name`` to ``target``, put in place of whatever had that name in one step."""
    temporary = new_name()
    os.symlink(target, temporary, dir_fd=directory)
    try:
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        discard(directory, temporary)
        raise


def change_mode(directory: int, name: str, mode: int, uid: int) -> bool:
    """Set the mode of a regular file of user ``uid``, by descriptor; False if that is no longer what has this name."""
    descriptor = os.open(name, _READ, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != uid:
            return False
        os.fchmod(descriptor, mode)
        return True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def locked(directory: int, path: str) -> Iterator[None]:
    """Let no second run work in ``directory`` at the same time. Where no file can be made or locked, go on without.

    The lock is on a file of our own: whoever may only read a directory could lock that one for as long as they like.
    """
    descriptor = _lock(directory, path)
    try:
        yield
    finally:
        if descriptor is not None:
            discard(directory, LOCK)  # if it stays, the next run takes it over
            close(descriptor)


def _lock(directory: int, path: str) -> int | None:
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            descriptor = os.open(LOCK, _OPEN_LOCK, 0o600, dir_fd=directory)
        except OSError:
            return None
        held = _try_lock(directory, descriptor)
        if held:
            return descriptor
        close(descriptor)
        if held is None:
            return None
        if time.monotonic() > deadline:
            raise GridSecurityError(
                "locked", f"{path} is locked by another run. Wait until that is done, then run again."
            )
        time.sleep(_LOCK_PAUSE)


def _try_lock(directory: int, descriptor: int) -> bool | None:
    """Whether the lock is ours now; None if this file does not serve as one."""
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return None
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it has removed it since, and the next run may have made another.
        return os.path.samestat(os.fstat(descriptor), os.stat(LOCK, dir_fd=directory, follow_symlinks=False))
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:
        discard(directory, LOCK)
        return None


def has_leftovers(directory: int) -> bool:
    """Whether a killed run left something in ``directory``, or one that goes on has something there."""
    return any(True for _name in _leftovers(directory))


def clear_leftovers(directory: int, path: str) -> None:
    """Remove them; to be called under the lock, so that they are nobody's work in progress."""
    for name in _leftovers(directory):
        if name != LOCK:
            what = f"{path}/{name}, which an interrupted run left,"
            with explained(what, "removed"), contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=directory)


def _leftovers(directory: int) -> Iterator[str]:
    return names(directory, lambda name: is_left_by_us(directory, name))


def is_left_by_us(directory: int, name: str) -> bool:
    """Whether ``name`` is what a killed run left. Only files and links are, and they belong to whom the run worked for:
    others would be found anew in every run. Root works for others too, but not in a directory that all share, such as
    ``/tmp``: there only root's own files count.

    :raises OSError: that cannot be seen; it may hold a key.
    """
    if not is_leftover(name):
        return False
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    usual = stat.S_ISREG(status.st_mode) or (stat.S_ISLNK(status.st_mode) and name != LOCK)
    return usual and (status.st_uid == os.geteuid() or (os.geteuid() == 0 and not _is_shared(directory)))


def _is_shared(directory: int) -> bool:
    return _others_may_write(os.fstat(directory), directory)


def names(directory: int, wanted: Callable[[str], bool]) -> Iterator[str]:
    """The names in ``directory`` that are wanted, one by one: there may be more than fit into memory, or no end."""
    with os.scandir(directory) as found:
        for entry in found:
            if wanted(entry.name):
                yield entry.name
