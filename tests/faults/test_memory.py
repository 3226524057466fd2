# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module with limited memory."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.faults.conftest import LONG, USER, needs_root
from ansible_collections.grid.security.tests.support.faults.strace import Engine
from ansible_collections.grid.security.tests.support.faults.tree import leftovers, snapshot

KIBIBYTE = 1024
LARGE = bytes(range(256)) * 8 * KIBIBYTE
DIGEST = hashlib.sha256(LARGE).hexdigest()


def placement(room: Path, owner: str | None) -> tuple[list[dict[str, Any]], dict[str, str]]:
    entry = {"path": "file", "state": "file", "sha256": DIGEST, "size": len(LARGE)}
    one = {"name": "large", "owner": owner, "directory": str(room), "entries": [entry]}
    return [one], {DIGEST: base64.b64encode(LARGE).decode()}


@pytest.mark.parametrize("who", ["user", pytest.param("root", marks=needs_root)])
def test_too_little_memory(engines: dict[str, Engine], room: Path, who: str, count: Any) -> None:
    request = placement(room, USER if who == "root" else None)
    seen: Counter[str] = Counter()
    for kibibytes in range(0, 8 * KIBIBYTE, 64 if LONG else 640):
        (room / "file").unlink(missing_ok=True)
        answer = engines[who].ask(*request, memory=kibibytes * KIBIBYTE)
        assert "traceback" not in answer, f"with {kibibytes} KiB more: {answer}"
        outcomes = answer["outcomes"]
        seen[outcomes[0].get("error_code", "placed")] += 1
        placed = (room / "file").exists() and (room / "file").read_bytes()
        assert placed in (False, LARGE)
        assert placed or "error_code" in outcomes[0]
    engines[who].send(*request)
    assert not leftovers(snapshot(room))
    assert set(seen) <= {"placed", "no_memory", "no_process", "os_error", "killed"}, seen
    assert seen["placed"] and seen["no_memory"], seen
    count("limits on memory", seen.total())
