# SPDX-License-Identifier: GPL-3.0-or-later
"""Check in a trace that a power failure would lose nothing, and check modes. Only flushed files are surely on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import leftovers
from ansible_collections.grid.security.tests.faults.conftest import CREDENTIALS, ROOTS, STORES, cases, needs_strace
from ansible_collections.grid.security.tests.support.faults.changes import Change
from ansible_collections.grid.security.tests.support.faults.strace import Call
from ansible_collections.grid.security.tests.support.faults.tree import is_lock

pytestmark = needs_strace
ALL = cases(*CREDENTIALS, *ROOTS, *STORES, by_root=[*CREDENTIALS, *ROOTS, *STORES])


class Disk:
    """Follow the calls, and keep what is not on disk yet: files by path, directories by their changes."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.links: set[str] = set()  # symbolic links have no contents
        self.directories: dict[str, set[str]] = {}

    def take(self, call: Call) -> Iterator[str]:
        """Follow a call. Return the change that it makes too early, if any."""
        path, pending = call.paths[-1], {kind for kinds in self.directories.values() for kind in kinds}
        if call.kind == "fsync":
            self.files.discard(path)
            self.directories.pop(path, None)
        elif call.kind == "symlink":
            self.links.add(path)
        elif call.creates or call.kind in ("write", "chmod", "chown"):
            self.files |= {path} if is_temporary(path) else set()
        elif call.paths[0] in self.files:
            yield f"{call} before the file is on disk"
        elif call.paths[0] in self.links and pending - {"link"}:
            yield f"{call} before what it may lead to is on disk"
        elif call.kind == "unlink" and not is_temporary(path) and pending - {"removal"}:
            yield f"{call} before what replaces it is on disk"
        self._note(call)

    def _note(self, call: Call) -> None:
        """Return the paths that would be missed, without temporary names."""
        what = {"rename": "file", "link": "backup", "unlink": "removal", "mkdir": "directory"}.get(call.kind)
        if what and not is_temporary(call.paths[-1]):
            parent = os.path.dirname(call.paths[-1])
            self.directories.setdefault(parent, set()).add("link" if call.paths[0] in self.links else what)


def is_temporary(path: str) -> bool:
    return leftovers.is_leftover(os.path.basename(path))


def changing(change: Change, calls: list[Call]) -> list[Call]:
    """Return the calls that changed something."""
    return [call for call in calls if change.concerns(call) and call.changes and not call.error]


def lasting(change: Change, calls: list[Call]) -> list[Call]:
    """Return the calls that changed something that must be on disk. The lock file is empty."""
    return [call for call in changing(change, calls) if not is_lock(call.paths[-1])]


@pytest.mark.parametrize("change", ALL, indirect=True)
def test_all_is_on_disk_in_time(change: Change, count: Any) -> None:
    _answer, calls = change.run()
    disk = Disk()
    seen = lasting(change, calls)
    assert [problem for call in seen for problem in disk.take(call)] == []
    assert disk.directories == {}, "not on disk at the end"
    count("calls looked at for order on disk", len(seen))


def asked(change: Change, path: str) -> int:
    """Return the mode that the file or directory at a path must have."""
    return change.after[str(Path(path).relative_to(change.root))].mode


@pytest.mark.parametrize("change", ALL, indirect=True)
def test_no_mode_is_ever_wider_than_asked(change: Change) -> None:
    _answer, calls = change.run()
    seen = changing(change, calls)
    final = {call.paths[0]: call.paths[1] for call in seen if call.kind == "rename"}
    for call in [one for one in seen if one.mode is not None and "@" not in one.paths[-1]]:
        if call.creates:
            assert call.mode == 0o600, call
            assert "O_NOFOLLOW" in call.arguments
            assert "O_EXCL" in call.arguments or is_lock(call.paths[-1])
        else:
            assert call.mode == asked(change, final.get(call.paths[-1], call.paths[-1])), call
    written = [call.paths[0] for call in seen if call.kind in ("write", "chown")]
    assert set(written) <= set(final), "something is written to, or given away, under its final name"
