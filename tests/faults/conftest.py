# SPDX-License-Identifier: GPL-3.0-or-later
"""Provide directories for interrupted changes, and count the interruptions."""

from __future__ import annotations

import getpass
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.support.faults.changes import CHANGES, Change
from ansible_collections.grid.security.tests.support.faults.strace import Engine

ROOT = os.geteuid() == 0
USER = "games" if ROOT else getpass.getuser()  # an account of every machine, without processes
LONG = bool(os.environ.get("FAULTS_LONG"))
CREDENTIALS = ["placement", "renewal", "resumption", "renewal with backup", "passphrase", "narrowing", "removal"]
ROOTS = ["host credential"]  # changes that only root makes, in its own directories
STORES = ["first anchors", "upgrade", "downgrade", "VOMS", "VOMS taken over"]

needs_root = pytest.mark.skipif(not ROOT, reason="only root can take another user's rights")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the faults, and it is missing")


def cases(*names: str, by_root: list[str] | None = None) -> list[Any]:
    """Return each change with the rights of the directory's owner, and each change as root.

    :param by_root: the changes as root in short runs; None: all credentials. Each takes the start of an
        interpreter.
    """
    by_root = [*CREDENTIALS, *ROOTS] if by_root is None else by_root
    own = [pytest.param((name, "user"), id=name) for name in names if name not in ROOTS]
    other = [name for name in names if LONG or name in by_root]
    return own + [pytest.param((name, "root"), id=f"{name} by root", marks=needs_root) for name in other]


@pytest.fixture(scope="session", name="engines")
def _engines() -> Iterator[dict[str, Engine]]:
    with Engine(USER if ROOT else None) as user, Engine() as root:
        yield {"user": user, "root": root}


@pytest.fixture(name="room")
def _room() -> Iterator[Path]:
    """Yield a directory of the user, in memory if possible, so that the disk does not slow down the tests."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="grid-security-", dir=memory) as name:
        base = Path(name).resolve()
        base.chmod(0o755)
        (base / "home").mkdir(mode=0o755)
        shutil.chown(base / "home", USER)
        yield base / "home"


@pytest.fixture(name="change")
def _change(request: pytest.FixtureRequest, engines: dict[str, Engine], room: Path) -> Change:
    name, who = request.param
    if who == "root" and name not in CREDENTIALS:
        shutil.chown(room, "root")
    return CHANGES[name](engines[who], room, USER if who == "root" else None)


@pytest.fixture(name="count")
def _count(record_property: Any) -> Any:
    return lambda what, number: record_property(f"count {what}", number)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how much was tested."""
    counts: Counter[str] = Counter()
    for report in [one for reports in terminalreporter.stats.values() for one in reports]:
        for name, number in getattr(report, "user_properties", []) if getattr(report, "when", "") == "call" else []:
            counts[name.removeprefix("count ")] += number
    for name, number in sorted(counts.items()):
        terminalreporter.write_line(f"{name}: {number}")
