# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at files by directory descriptor. Nothing here blocks, or follows a link unless it says so."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import selinux
from ansible_collections.grid.security.plugins.module_utils._files.directories import open_directory

__all__ = ["READ", "Observed", "change_times", "observe", "read_through"]

# Never blocks on a FIFO, never follows a link, never becomes a controlling terminal.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# The file cannot be read: no permission, exchanged for a link or a socket, or another process has a lease on it.
_UNREADABLE = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO, errno.ENOENT, errno.EWOULDBLOCK}


@dataclass(frozen=True)
class Observed:
    """The present state of a path.

    :param kind: ``absent``, ``file``, ``link``, ``directory`` or ``other`` (FIFO, socket, device).
    :param content: the content of a regular file that is readable and no larger than the limit; else None.
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


def observe(directory: int, name: str, limit: int | None = None) -> Observed:
    """Return the present state of ``name`` in ``directory``.

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
        descriptor = os.open(name, READ, dir_fd=directory)
    except OSError as error:
        if error.errno not in _UNREADABLE:
            raise
        return Observed("file", **facts)  # mode 000, or exchanged since: the file has to be written anew
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
        descriptor = os.open(name, READ & ~os.O_NOFOLLOW, dir_fd=directory)
    except (OSError, ValueError):
        return None
    with os.fdopen(descriptor, "rb") as stream:
        mode = os.fstat(descriptor).st_mode
        content = stream.read(limit + 1) if stat.S_ISREG(mode) and mode & stat.S_IROTH else None
    return None if content is None or len(content) > limit else content


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
