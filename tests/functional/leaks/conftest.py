# SPDX-License-Identifier: GPL-3.0-or-later
"""A site in which every trace is kept: the journal's socket, a directory that other users may pass through."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.functional.leaks import cases, traces


@pytest.fixture(name="journal")
def _journal() -> Iterator[list[bytes] | None]:
    """What modules say to syslog in this test; None, and a warning, where that cannot be had.

    There is one socket for it on a machine, so tests that run at the same time wait for one another.
    """
    path = Path("/dev/log").resolve()  # where systemd is installed and does not run, a link to nothing
    with open(__file__, "rb") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if os.geteuid() != 0 or path.exists():
            warnings.warn(f"what modules log is not looked at: {path} is somebody else's", stacklevel=1)
            yield None
            return
        with _listening(path) as messages:
            yield messages


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[list[bytes]]:
    messages: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        path.parent.mkdir(parents=True, exist_ok=True)
        server.bind(str(path))
        path.chmod(0o666)
        server.settimeout(0.2)
        done = threading.Event()
        reader = threading.Thread(target=_collect, args=(server, messages, done))
        reader.start()
        try:
            yield messages
        finally:
            done.set()
            reader.join()
            path.unlink()


def _collect(server: socket.socket, messages: list[bytes], done: threading.Event) -> None:
    while not done.is_set():
        try:
            messages.append(server.recv(1 << 20))
        except TimeoutError:
            continue


@pytest.fixture(name="site")
def _site(site: Any) -> Iterator[Any]:
    """With what :mod:`cases` need in ``given``, and runs traced."""
    root = Path(tempfile.mkdtemp(prefix="grid-security-leaks-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        cases.give(root / "given")
        (root / "home").mkdir()
        yield dataclasses.replace(site, root=root, prefix=traces.command(root / "given/trace"))
    finally:
        shutil.rmtree(root)
