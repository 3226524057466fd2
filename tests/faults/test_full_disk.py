# SPDX-License-Identifier: GPL-3.0-or-later
"""Test file systems that are really full, out of inodes, over quota or read-only."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.faults.conftest import LONG, USER, needs_root
from ansible_collections.grid.security.tests.faults.test_errors import files, unclear
from ansible_collections.grid.security.tests.support.faults.changes import CHANGES, Change
from ansible_collections.grid.security.tests.support.faults.strace import Engine
from ansible_collections.grid.security.tests.support.faults.tree import snapshot

pytestmark = needs_root

PAGE = 4096
# The command that makes the file system, the size of the files that fill it, and its error when it is full.
LIMITS = {
    "space": (["-t", "tmpfs", "-o", "size=256k", "tmpfs"], PAGE, "ENOSPC"),
    "inodes": (["-t", "tmpfs", "-o", "size=4m,nr_inodes=64", "tmpfs"], 0, "ENOSPC"),
    "quota": (["-t", "tmpfs", "-o", "size=4m,usrquota,usrquota_block_hardlimit=256k", "tmpfs"], PAGE, "EDQUOT"),
    "ext4": (["-o", "loop"], PAGE, "ENOSPC"),
}


@contextlib.contextmanager
def mounted(options: list[str]) -> Iterator[Path]:
    """Mount a separate file system."""
    with tempfile.TemporaryDirectory(prefix="grid-security-") as name:
        base = Path(name).resolve()
        base.chmod(0o755)
        (base / "disk").mkdir(mode=0o755)
        device = [] if "tmpfs" in options else [str(image(base / "image"))]
        command = ["mount", *options, *device, str(base / "disk")]
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode:
            pytest.skip(f"this system does not do: mount {' '.join(options)}")
        try:
            (base / "disk").chmod(0o755)
            yield base / "disk"
        finally:
            subprocess.run(["umount", base / "disk"], check=True)


def image(path: Path) -> Path:
    """Mount a small file system like that of a disk."""
    program = shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("mkfs.ext4 is missing")
    path.write_bytes(bytes(2 << 20))
    subprocess.run([program, "-q", "-N", "256", path], check=True)
    return path


class Filler:
    """Fill space, inodes and quota with files of the user."""

    def __init__(self, directory: Path, size: int) -> None:
        self._directory, self._size = directory, size

    def fill(self, left: int) -> None:
        """Fill the file system, and leave room for ``left`` such files."""
        self._directory.mkdir()
        for number in itertools.count():
            try:
                self._write(self._directory / str(number))
            except OSError as error:
                assert error.errno in (errno.ENOSPC, errno.EDQUOT)
                break
        for path in sorted(self._directory.iterdir())[: left + (self._size > 0)]:  # the last file is incomplete
            path.unlink()

    def _write(self, path: Path) -> None:
        with open(path, "wb") as stream:
            os.fchown(stream.fileno(), pwd.getpwnam(USER).pw_uid, -1)
            stream.write(bytes(self._size))

    def empty(self) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)


def interrupted(change: Change, error: str) -> tuple[bool, list[str]]:
    """Return whether the change failed, and the problems after it."""
    answer = change.engine.ask(change.request.sets, change.request.contents)
    tree, problems = snapshot(change.root), []
    (outcome,) = answer.get("outcomes", [answer])
    if outcome.get("failed"):
        problems = [*unclear(change, outcome, error), *change.wrong(tree)]
        problems += ["changed"] if files(tree) != files(change.before) else []
    else:
        problems = list(change.differs_from(change.after))
    return bool(outcome.get("failed")), problems


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", ["placement", "renewal", "upgrade"])
def test_disk_is_full(engines: dict[str, Engine], name: str, limit: str, count: Any) -> None:
    options, size, error = LIMITS[limit]
    with mounted(options) as disk:
        (disk / "home").mkdir(mode=0o755)
        shutil.chown(disk / "home", USER)
        change = CHANGES[name](engines["user"], disk / "home", None)
        filler = Filler(disk / "filler", size)
        seen = []
        for left in range(0, 40, 1 if LONG else 3):
            change.reset()
            filler.fill(left)
            has_failed, problems = interrupted(change, error)
            filler.empty()
            seen.append(has_failed)
            assert problems + list(change.finish()) == [], f"with room for {left} files"
        count("disks filled", len(seen))
        assert True in seen and False in seen, seen


@pytest.mark.parametrize("name", ["placement", "renewal", "removal", "upgrade"])
def test_disk_is_read_only(engines: dict[str, Engine], name: str) -> None:
    with mounted(["-t", "tmpfs", "tmpfs"]) as disk:
        (disk / "home").mkdir(mode=0o755)
        shutil.chown(disk / "home", USER)
        change = CHANGES[name](engines["user"], disk / "home", None)
        change.reset()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        has_failed, problems = interrupted(change, "EROFS")
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        assert has_failed
        assert problems + list(change.finish()) == []
