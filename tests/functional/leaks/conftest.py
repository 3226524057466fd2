# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up a site that keeps every trace: a socket for the journal, a directory that other users may enter."""

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
    """Return the messages of modules to syslog; None, and a warning, if they cannot be read.

    A machine has only one socket for them, so tests that run at the same time wait for each other.
    """
    path = Path("/dev/log").resolve()  # a dangling link if systemd is installed and does not run
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
    """Return a site with the inputs of :mod:`cases` in ``given``, and with traced runs."""
    root = Path(tempfile.mkdtemp(prefix="grid-security-leaks-", dir="/var/tmp"))
    root.chmod(0o755)
    try:
        cases.give(root / "given")
        (root / "home").mkdir()
        yield dataclasses.replace(site, root=root, prefix=traces.command(root / "given/trace"))
    finally:
        shutil.rmtree(root)
