# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve a file system as a user, without libfuse. It answers some requests, some falsely, and some never.

Root mounts it, like fusermount for a user. A process of the user answers. A process whose request is not answered
waits. After the request has been read, not even SIGKILL ends this wait.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import pwd
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.grid.security.tests.support.accounts import acting_as

__all__ = ["HANG", "Node", "Served", "available", "mounted"]

_MNT_DETACH = 2
_IN_HEADER, _OUT_HEADER = struct.Struct("=IIQQIIIHH"), struct.Struct("=IiQ")  # linux/fuse.h
_INIT, _ATTRIBUTES, _ENTRY = struct.Struct("=IIIIHHIIHHII24x"), struct.Struct("=6Q10I"), struct.Struct("=QQQQII")
_LARGEST = 1 << 17
_VERSION = (7, 31)

LOOKUP, FORGET, GETATTR, READLINK, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 5, 14, 15, 17, 18
GETXATTR, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, FSYNCDIR, CREATE = 22, 25, 26, 27, 28, 29, 30, 35
INTERRUPT, BATCH_FORGET = 36, 42
HANG = None
_EMPTY = (READ, RELEASE, RELEASEDIR, FLUSH, FSYNCDIR)  # done, with no data


@dataclass(frozen=True)
class Node:
    """Hold a file of the file system. :param children: of a directory: node numbers by name."""

    mode: int
    uid: int
    size: int = 0
    children: dict[bytes, int] = field(default_factory=dict)
    target: bytes = b""


@dataclass(frozen=True)
class Served:
    """Hold the file system. :param nodes: by number; 1 is the root. :param answers: an error number or HANG by request.

    :param endless: whether directories have endless entries, all with names of leftovers.
    """

    nodes: dict[int, Node]
    answers: dict[int, int | None] = field(default_factory=dict)
    endless: bytes | None = None


def available() -> bool:
    """Return whether this kernel has FUSE and this process may mount."""
    return os.geteuid() == 0 and os.path.exists("/dev/fuse")


@contextlib.contextmanager
def mounted(place: Path, account: pwd.struct_passwd, served: Served, *options: str) -> Iterator[None]:
    """Mount the user's file system at ``place``. :param options: such as ``allow_other``."""
    device = os.open("/dev/fuse", os.O_RDWR)
    data = [f"fd={device}", "rootmode=40000", f"user_id={account.pw_uid}", f"group_id={account.pw_gid}", *options]
    _check(ctypes.CDLL(None, use_errno=True).mount(b"deaf", os.fsencode(place), b"fuse", 6, ",".join(data).encode()))
    try:
        with acting_as(account, _serve, device, served):
            os.close(device)
            device = -1
            yield
    finally:  # no process serves any more, so each waiting process gets an error
        if device >= 0:
            os.close(device)
        _check(ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(place), _MNT_DETACH))


def _check(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _serve(device: int, served: Served) -> None:
    while True:
        request = os.read(device, _LARGEST)
        _length, operation, unique, number = _IN_HEADER.unpack_from(request)[:4]
        if operation in (FORGET, BATCH_FORGET, INTERRUPT):
            continue
        error, data = _answer(served, operation, number, request[_IN_HEADER.size :])
        if error is HANG:
            continue
        with contextlib.suppress(FileNotFoundError):  # the requesting process was interrupted
            os.write(device, _OUT_HEADER.pack(_OUT_HEADER.size + len(data), -error, unique) + data)


def _answer(served: Served, operation: int, number: int, body: bytes) -> tuple[int | None, bytes]:
    """Return an error number, and the data after the header."""
    if operation in served.answers:
        return served.answers[operation], b""
    node = served.nodes.get(number)
    if operation == INIT:
        return 0, _INIT.pack(*_VERSION, 0, 0, 0, 0, 4096, 0, 0, 0, 0, 0)
    if node is None:
        return errno.ENOENT, b""
    if operation == LOOKUP:
        return _lookup(served, node, body.rstrip(b"\0"))
    if operation == GETATTR:
        return 0, struct.pack("=QII", 0, 0, 0) + _attributes(number, node)
    if operation == READLINK:
        return 0, node.target
    if operation in (OPEN, OPENDIR):
        return 0, struct.pack("=QII", 0, 0, 0)
    if operation == READDIR:
        return 0, _entries(served, *struct.unpack_from("=QI", body, 8))
    return (0 if operation in _EMPTY else errno.ENOSYS), b""


def _lookup(served: Served, directory: Node, name: bytes) -> tuple[int, bytes]:
    number = directory.children.get(name)
    if number is None:
        return errno.ENOENT, b""
    return 0, _ENTRY.pack(number, 0, 0, 0, 0, 0) + _attributes(number, served.nodes[number])


def _attributes(number: int, node: Node) -> bytes:
    links = 2 if stat.S_ISDIR(node.mode) else 1
    return _ATTRIBUTES.pack(number, node.size, 0, 0, 0, 0, 0, 0, 0, node.mode, links, node.uid, node.uid, 0, 4096, 0)


def _entries(served: Served, offset: int, size: int) -> bytes:
    """Return as many entries as fit, or none. Each further request gets the same number of entries, without end."""
    if served.endless is None:
        return b""
    data = b""
    while True:
        offset += 1
        name = served.endless % offset
        entry = struct.pack("=QQII", offset + 1000, offset, len(name), 0) + name
        entry += b"\0" * (-len(entry) % 8)
        if len(data) + len(entry) > size:
            return data
        data += entry
