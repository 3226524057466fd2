# SPDX-License-Identifier: GPL-3.0-or-later
"""Create temporary accounts for tests that need the rights of another user. This needs root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

__all__ = ["PREFIX", "acting_as", "created", "processes_of"]

PREFIX = "gridtest"
_NAME = re.compile(rf"{PREFIX}(\d+)-\w+")
_STATUS = re.compile(r"^State:\t(?P<state>\w).*^Uid:\t(?P<uid>\d+)", re.MULTILINE | re.DOTALL)
_BUSY = 10.0  # seconds; other processes may lock the password files
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@contextlib.contextmanager
def created(role: str, home: Path | bytes | str) -> Iterator[pwd.struct_passwd]:
    """Create an account with its own group, named after its role, without a home. Remove it in any case."""
    remove_stale()
    name = f"{PREFIX}{os.getpid()}-{role}"
    options: list[str | bytes] = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    _persist(["useradd", *options, "--home-dir", os.fsencode(home), name])
    try:
        yield pwd.getpwnam(name)
    finally:
        _remove(name)


def remove_stale() -> None:
    """Remove accounts of killed test runs."""
    for entry in pwd.getpwall():
        match = _NAME.fullmatch(entry.pw_name)
        if match and not Path(f"/proc/{match[1]}").exists():
            _remove(entry.pw_name)


def _remove(name: str) -> None:
    for pid in processes_of(pwd.getpwnam(name).pw_uid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _persist(["userdel", "--force", name])


def _persist(command: list[str | bytes]) -> None:
    deadline = time.monotonic() + _BUSY
    while True:
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            return
        if b"lock" not in done.stderr or time.monotonic() > deadline:
            raise RuntimeError(done.stderr.decode())
        time.sleep(0.1)


def processes_of(uid: int) -> list[int]:
    """Return the processes with this real user id, without processes that have ended and are still listed."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            match = _STATUS.search(status.read_text("utf-8"))
            if match and match["state"] != "Z" and int(match["uid"]) == uid:
                found.append(int(status.parent.name))
    return found


@contextlib.contextmanager
def acting_as(account: pwd.struct_passwd, act: Callable[..., Any], *arguments: Any) -> Iterator[int]:
    """Run ``act`` in a process of a user until it returns or the context ends. Yield the id of the process."""
    ready, done = os.pipe()
    pid = os.fork()
    if pid == 0:
        _act(account, act, arguments, done)
    os.close(done)
    os.read(ready, 1)  # until the process has the user's id
    os.close(ready)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _act(account: pwd.struct_passwd, act: Callable[..., Any], arguments: tuple[Any, ...], done: int) -> None:
    status = 1
    try:
        os.setgroups([])
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.write(done, b"+")
        act(*arguments)
        status = 0
    finally:
        os._exit(status)
