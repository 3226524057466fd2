# SPDX-License-Identifier: GPL-3.0-or-later
"""Send real SIGKILLs at random moments to all processes of the engine: a cross-check without strace."""

from __future__ import annotations

import random
import signal
import time
from typing import Any

import pytest

from ansible_collections.grid.security.tests.faults.conftest import LONG, cases
from ansible_collections.grid.security.tests.support.faults.changes import Change
from ansible_collections.grid.security.tests.support.faults.tree import snapshot

SOME = cases("placement", "renewal", "removal", "upgrade", "VOMS", by_root=["renewal"])
ROUNDS = 1000 if LONG else 60


def duration(change: Change) -> float:
    """Return the seconds of an undisturbed change."""
    change.reset()
    start = time.monotonic()
    change.engine.ask(change.request.sets, change.request.contents)
    return time.monotonic() - start


@pytest.mark.parametrize("change", SOME, indirect=True)
def test_killed_at_any_moment(change: Change, count: Any) -> None:
    longest = min(duration(change) for _try in range(3))
    killed = 0
    for _round in range(ROUNDS if change.engine.is_quick else ROUNDS // 5):
        change.reset()
        moment = random.uniform(0, longest)
        answer = change.engine.ask(change.request.sets, change.request.contents, kill_after=moment)
        killed += answer["status"] == signal.SIGKILL
        assert [*change.wrong(snapshot(change.root)), *change.finish()] == [], f"killed after {moment} s"
    count("real kills at moments of chance", killed)
    assert killed > 2
