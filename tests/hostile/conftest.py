# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up the targets of attacks: two users, files of another account, and a tree that belongs to root."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.support import accounts


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip these tests with a message if they do not run as root, because only root can create accounts."""
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="only root can create accounts to attack with"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Return the counts of all tests and processes."""
    totals: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        totals.update({name: value for name, value in report.user_properties if isinstance(value, int)})
    if totals:
        terminalreporter.write_line(", ".join(f"{value} {name}" for name, value in sorted(totals.items())))


@dataclass(frozen=True)
class World:
    """Hold all paths. Mallory attacks. Alice's credential is placed in the same calls. Bob has no credential.

    :param root: belongs to root, like everything above it.
    """

    root: Path
    mallory: pwd.struct_passwd
    alice: pwd.struct_passwd
    bob: pwd.struct_passwd

    @property
    def homes(self) -> Path:
        return self.root / "homes"

    @property
    def roots(self) -> Path:
        """Return files of root, as in /etc and /root."""
        return self.root / "roots"

    def home(self, account: pwd.struct_passwd) -> Path:
        return Path(account.pw_dir)

    def own(self, account: pwd.struct_passwd, *paths: Path) -> None:
        """Change the owner of paths, without following links."""
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def reset(self) -> None:
        """Make new homes and new baits."""
        for tree in (self.homes, self.roots):
            remove(tree)
            tree.mkdir()
            tree.chmod(0o755)
        for account in (self.mallory, self.alice, self.bob):
            _fill(self.home(account), "theirs")
            self.own(account, *_all(self.home(account)))
        shutil.rmtree(self.home(self.mallory) / ".globus")
        shutil.rmtree(self.home(self.alice) / ".globus")
        self.home(self.bob).chmod(0o755)
        (self.home(self.bob) / ".globus").chmod(0o755)
        _fill(self.roots, "root's")


def _all(top: Path) -> list[Path]:
    return [top, *top.rglob("*")]


def _fill(top: Path, text: str) -> None:
    """Make files that attackers would like to read or replace."""
    (top / ".globus").mkdir(parents=True)
    for path, mode in ((".globus/usercert.pem", 0o644), (".globus/userkey.pem", 0o600), ("secret", 0o600)):
        (top / path).write_text(f"{text} {path}")
        (top / path).chmod(mode)
    (top / "link").symlink_to("secret")
    top.chmod(0o700 if text == "theirs" else 0o755)


def remove(tree: Path) -> None:
    """Remove a tree, also if its files have attributes."""
    if tree.exists():
        subprocess.run(["chattr", "-f", "-R", "-i", "-a", str(tree)], capture_output=True, check=False)
        shutil.rmtree(os.fsencode(tree))


@pytest.fixture(scope="session", name="emptied_world")
def _emptied_world() -> Iterator[World]:
    root = Path(tempfile.mkdtemp(prefix="gridtest-", dir="/var/lib"))  # each directory up to / belongs to root
    root.chmod(0o755)
    try:
        with contextlib.ExitStack() as stack:
            three = [
                stack.enter_context(accounts.created(role, root / "homes" / role))
                for role in ("mallory", "alice", "bob")
            ]
            yield World(root, *three)
    finally:
        remove(root)


@pytest.fixture(name="world")
def _world(emptied_world: World) -> World:
    emptied_world.reset()
    return emptied_world
