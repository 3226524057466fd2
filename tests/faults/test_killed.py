# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the engine at each single system call of a change."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from ansible_collections.grid.security.tests.faults.conftest import (
    CREDENTIALS,
    LONG,
    ROOTS,
    STORES,
    cases,
    needs_strace,
)
from ansible_collections.grid.security.tests.support.faults import strace
from ansible_collections.grid.security.tests.support.faults.changes import Change
from ansible_collections.grid.security.tests.support.faults.tree import restore, snapshot

pytestmark = needs_strace


def was_killed(answer: dict[str, Any]) -> bool:
    """Return whether the module's process was killed, or the worker, whose end the module reports."""
    told = [one.get("error_code") for one in answer.get("outcomes", [])]
    return answer["status"] == signal.SIGKILL or told == ["killed"]


def killed_at(change: Change, call: strace.Call) -> tuple[list[str], bool]:
    """Return the problems after the kill and after the next run (with the new or the old target), and whether
    certificate and key did not match in between."""
    answer, calls = change.run(*strace.kill(call))
    assert was_killed(answer), answer
    assert str(calls[-1]) == str(call)
    tree = snapshot(change.root)
    problems = [*change.wrong(tree), *change.finish()]
    if change.back and (LONG or change.engine.is_quick):
        restore(change.root, tree)
        problems += [f"on the way back: {problem}" for problem in change.go_back()]
    return problems, change.is_mixed(tree)


@pytest.mark.parametrize("change", cases(*CREDENTIALS, *ROOTS, *STORES), indirect=True)
def test_killed_at_each_call(change: Change, count: Any) -> None:
    answer, calls = change.run()
    assert not list(change.differs_from(change.after)), answer
    chosen = [call for call in calls if change.concerns(call) and (LONG or call.changes)]
    seen = {str(call): killed_at(change, call) for call in chosen}
    count("calls killed at", len(chosen))
    assert {call: problems for call, (problems, _mixed) in seen.items() if problems} == {}
    # Only between the last two of these calls.
    mixed = [call for call, (_problems, is_mixed) in seen.items() if is_mixed]
    assert len(mixed) == len(change.halves(change.before)) // 2, mixed
