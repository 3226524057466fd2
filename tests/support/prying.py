# SPDX-License-Identifier: GPL-3.0-or-later
"""Try the attacks of a user on a process with the same user id."""

from __future__ import annotations

import contextlib
import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.grid.security.tests.support.accounts import processes_of

__all__ = ["ATTEMPTS", "memory_holds", "pry", "wait_for_worker"]

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_ATTACH, _PTRACE_SEIZE = 16, 0x4206
_PIDFD_OPEN, _PIDFD_GETFD, _KCMP = 434, 438, 312  # system calls on x86_64; the first two are the same everywhere
_FILES = ("mem", "environ", "maps", "smaps", "numa_maps", "auxv", "syscall", "stack", "io", "pagemap", "personality")
_LINKS = ("cwd", "root", "exe", "fd/0", "fd/1", "fd/2", "fd/3", "fd/4", "fd/5", "ns/mnt")
_WRITABLE = ("mem", "clear_refs", "coredump_filter", "oom_score_adj", "fd/1", "fd/2")
ATTEMPTS = len(_FILES) + len(_LINKS) + len(_WRITABLE) + 6


def pry(pid: int) -> list[str]:
    """Try all attacks, and return the successful attacks."""
    return [name for name, attempt in _attempts(pid) if attempt()]


def _attempts(pid: int) -> Iterator[tuple[str, Any]]:
    process = f"/proc/{pid}"
    for name in _FILES:
        yield f"reading {name}", lambda name=name: _reads(f"{process}/{name}")
    for name in _LINKS:
        yield f"following {name}", lambda name=name: _works(os.readlink, f"{process}/{name}")
    for name in _WRITABLE:
        yield f"writing {name}", lambda name=name: _works(_open_for_writing, f"{process}/{name}")
    yield "listing fd", lambda: _works(os.listdir, f"{process}/fd")
    yield "process_vm_readv", lambda: _read_memory(pid)
    yield "attaching", lambda: _attach(pid, _PTRACE_ATTACH)
    yield "seizing", lambda: _attach(pid, _PTRACE_SEIZE)
    yield "taking a descriptor", lambda: _take_descriptor(pid)
    yield "comparing", lambda: _LIBC.syscall(_KCMP, os.getpid(), pid, 1, 0, 0) >= 0


def _works(act: Any, *arguments: Any) -> bool:
    try:
        act(*arguments)
    except OSError:
        return False
    return True


def _reads(path: str) -> bool:
    def read() -> None:
        with open(path, "rb", buffering=0) as stream:
            if not path.endswith("mem"):  # nothing is mapped at its start
                stream.read(64)

    return _works(read)


def _open_for_writing(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


def _attach(pid: int, how: int) -> bool:
    """Attach by ptrace in a child process. Its end releases the attacked process."""
    child = os.fork()
    if child == 0:
        os._exit(_LIBC.ptrace(how, pid, 0, 0) != 0)
    return os.waitpid(child, 0)[1] == 0


def _read_memory(pid: int) -> bool:
    """Return whether the call was permitted. A wrong address is another error."""
    piece = (ctypes.c_size_t * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
    nowhere = (ctypes.c_size_t * 2)(4096, 8)
    done = _LIBC.process_vm_readv(pid, piece, 1, nowhere, 1, 0)
    return bool(done >= 0 or ctypes.get_errno() != 1)  # EPERM


def _take_descriptor(pid: int) -> bool:
    handle = _LIBC.syscall(_PIDFD_OPEN, pid, 0)
    taken = [_LIBC.syscall(_PIDFD_GETFD, handle, number, 0) for number in range(8)]
    os.close(handle)
    return any(descriptor >= 0 for descriptor in taken)


def wait_for_worker(uid: int, patience: float = 20.0, known: tuple[int, ...] = ()) -> int:
    """Return the id of a new process with this user id, as soon as there is one. :param known: old processes."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for pid in processes_of(uid):
            if pid not in known:
                return pid
    raise TimeoutError(f"no process of user {uid} in {patience} s")


def memory_holds(pid: int, words: list[bytes]) -> list[bytes]:
    """Return the words that are in the memory of a process. This needs root."""
    found: set[bytes] = set()
    lines = Path(f"/proc/{pid}/maps").read_text("utf-8").splitlines()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in lines:
            area, rights = line.split()[:2]
            start, end = (int(number, 16) for number in area.split("-"))
            if rights.startswith("r") and "[v" not in line:  # vvar, vsyscall
                with contextlib.suppress(OSError):
                    memory.seek(start)
                    data = memory.read(end - start)
                    found.update(word for word in words if word in data)
    return [word for word in words if word in found]
