# SPDX-License-Identifier: GPL-3.0-or-later
"""A site in which every trace is kept: the journal's socket, a directory that other users may pass through."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.functional.leaks import cases, traces


@pytest.fixture(scope="package", name="journal")
def _journal() -> Iterator[list[bytes]]:
    """What modules say to syslog: caught at its socket, unless a daemon listens there already."""
    messages: list[bytes] = []
    path = Path("/dev/log").resolve()  # where systemd is installed and does not run, a link to nothing
    if os.geteuid() != 0 or path.exists():
        yield messages
        return
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
