# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill the engine's processes one by one, and let the system refuse to start them or to connect them."""

from __future__ import annotations

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.faults.conftest import LONG, needs_root, needs_strace
from ansible_collections.grid.security.tests.support.faults import strace
from ansible_collections.grid.security.tests.support.faults.changes import Change
from ansible_collections.grid.security.tests.support.faults.tree import has_leftovers, snapshot

pytestmark = [needs_strace, needs_root]

by_root = pytest.mark.parametrize("change", [("renewal", "root")], indirect=True, ids=["renewal by root"])


@by_root
def test_worker_finishes_when_the_engine_is_killed(change: Change) -> None:
    answer, _calls = change.run(kill_at_gate=["engine"])
    assert answer["status"] == signal.SIGKILL
    assert list(change.differs_from(change.after)) == []


@by_root
def test_worker_finishes_when_the_fork_server_is_killed(change: Change) -> None:
    answer, _calls = change.run(kill_at_gate=["fork server"])
    assert not answer["outcomes"][0].get("failed"), answer
    assert list(change.differs_from(change.after)) == []


@by_root
def test_next_run_waits_for_a_worker_that_is_left(change: Change) -> None:
    """Delay each rename, and start the next run at once. The runs must not disturb each other."""
    slow = "--inject=renameat,renameat2:delay_enter=300000"
    with strace.Engine() as second, ThreadPoolExecutor() as pool:
        second.home = change.engine.home
        first = pool.submit(change.run, slow, kill_at_gate=["engine"])
        while not has_leftovers(change.root):
            assert not first.done(), first.result()
            time.sleep(0.01)
        (result,) = change.talk(second.send)
        _answer, calls = first.result()
    assert not result.get("failed"), result
    assert [call.error for call in calls if call.kind == "rename"] == [None, None]
    assert list(change.differs_from(change.after)) == []


REFUSED = {
    "socketpair": ["EMFILE", "ENOBUFS"],
    "sendmsg": ["ENOBUFS", "EPIPE"],
    "sendto": ["ENOBUFS", "EPIPE"],
    "recvmsg": ["ENOMEM", "ECONNRESET"],
    "recvfrom": ["ENOMEM", "ECONNRESET"],
    **{name: ["ENOMEM", "EAGAIN"] for name in ("clone", "clone3", "fork", "vfork", "execve")},
    **{name: ["EAGAIN", "EPERM"] for name in ("setgroups", "setgid", "setuid")},
}


@pytest.fixture(name="other")
def _other(change: Change) -> Path:
    """Make the same directory for a second user."""
    path = change.root.parent / "other"
    path.mkdir(mode=0o755)
    shutil.chown(path, "daemon")
    return path


def converge_two(change: Change, other: Path, *injections: str) -> tuple[dict[str, Any], list[list[strace.Call]]]:
    """Return the answer, with faults, to the changes of both users, and the calls of each process."""
    change.reset()
    for path in other.iterdir():
        path.unlink()
    (own,) = change.request.sets
    sets = [own, {**own, "name": "other", "owner": "daemon", "directory": str(other)}]
    return change.engine.trace_processes(sets, change.request.contents, *injections)


@by_root
def test_processes_are_refused(change: Change, other: Path, count: Any) -> None:
    answer, processes = converge_two(change, other)
    assert [one["changed"] for one in answer["outcomes"]] == [True, True], answer
    assert len(processes) == 6, "engine, two fork servers, one worker to see whose a directory is, two that work"
    calls = sorted({(call.name, call.number) for calls in processes for call in calls if call.name in REFUSED})
    tried = [(*call, error) for call in calls for error in REFUSED[call[0]][: None if LONG else 1]]
    count("refusals to start processes and to let them talk", len(tried))
    problems = {}
    for name, number, error in tried:
        answer, _calls = converge_two(change, other, f"--inject={name}:error={error}:when={number}")
        found = [*wrong(answer), *change.wrong(snapshot(change.root)), *change.finish()]
        if found:
            problems[f"{name} #{number}: {error}"] = found
    assert problems == {}


def wrong(answer: dict[str, Any]) -> list[str]:
    """Yield tracebacks and unexpected failures."""
    failures = [one for one in answer.get("outcomes", []) if one.get("failed")]
    kinds = ("os_error", "killed", "no_memory", "no_process")
    return [str(one) for one in failures if one["error_code"] not in kinds] + (
        [] if "outcomes" in answer else [str(answer)]
    )
