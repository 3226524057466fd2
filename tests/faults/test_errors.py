# SPDX-License-Identifier: GPL-3.0-or-later
"""Let each system call of a change fail, once or from then on, as on disks that are full, broken or read-only."""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterator
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
from ansible_collections.grid.security.tests.support.faults.tree import Tree, is_lock, leftovers, snapshot

pytestmark = needs_strace

FULL = ["ENOSPC", "EDQUOT", "EROFS"]
ERRORS = {
    "open": ["EMFILE", "ENOMEM", "EIO", "EACCES"],
    "write": ["ENOSPC", "EDQUOT", "EIO"],
    "fsync": ["EIO", "ENOSPC", "EDQUOT"],
    "close": ["EIO", "EDQUOT"],
    "read": ["EIO", "ENOMEM"],
    "getdents": ["EIO", "ENOMEM"],
    "readlink": ["EIO", "ENOMEM"],
    "stat": ["EIO", "ENOMEM", "EACCES"],
    "chmod": ["EIO", "EROFS", "EACCES"],
    "chown": ["EIO", "EROFS", "EPERM", "EDQUOT"],
    "unlink": ["EIO", "EROFS", "EACCES", "ENOMEM"],
    "flock": ["ENOLCK", "EIO", "ENOMEM"],
    **{kind: [*FULL, "EIO", "EACCES", "ENOMEM"] for kind in ("rename", "mkdir", "link", "symlink")},
}
SOME = cases(*CREDENTIALS, *ROOTS, *STORES, by_root=["renewal", "host credential"])
REMEDY = re.compile("then run again|Give its owner access")


def errors(call: strace.Call) -> list[str]:
    return ERRORS.get(call.kind, []) + (FULL if call.creates else [])


def failed(change: Change, injections: list[str], error: str, once: bool) -> Iterator[str]:
    """Yield the problems after a run with an error, and after the next run."""
    answer, calls = change.run(*injections)
    if "outcomes" not in answer:
        yield f"a traceback: {answer}"
        return
    (outcome,) = answer["outcomes"]
    if outcome.get("failed"):
        yield from unclear(change, outcome, error)
        yield from wrong(change, outcome, once and "unlink" not in [call.kind for call in calls if call.error == error])
    elif outcome.get("needs") and not change.request.contents:  # a file cannot be read, so it would be written again
        yield from (f"more is needed, and yet: {problem}" for problem in change.differs_from(change.before))
    else:  # the lock file stays if it cannot be removed: it is empty, and the next run uses it
        stuck = {path for call in calls if call.error and call.kind == "unlink" for path in call.paths if is_lock(path)}
        problems = change.differs_from(change.after, but={os.path.relpath(path, change.root) for path in stuck})
        yield from (f"though all went well: {problem}" for problem in problems)
    yield from change.finish()


def wrong(change: Change, outcome: dict[str, Any], undone: bool) -> Iterator[str]:
    """Yield the problems after a failure. :param undone: whether the engine could undo the change."""
    tree = snapshot(change.root)
    yield from change.wrong(tree)
    if outcome["error_code"] != "incomplete" and files(tree) != files(change.before):
        yield f"{outcome['msg']} – but something has changed"
    if undone and change.is_mixed(tree) and change.pair[0] in change.after:
        yield "certificate and key do not match"
    if undone and not leftovers(tree).keys() <= leftovers(change.before).keys():
        yield f"left: {list(leftovers(tree))}"


def unclear(change: Change, outcome: dict[str, Any], error: str) -> Iterator[str]:
    """Yield a message that lacks the thing, the cause or the remedy."""
    message, cause = outcome["msg"], os.strerror(getattr(errno, error))
    if outcome["error_code"] == "changed_meanwhile":  # the engine sees this if a file becomes unreadable
        return
    if outcome["error_code"] not in ("os_error", "incomplete", "no_access"):
        yield f"error code {outcome['error_code']}: {message}"
    if str(change.root) not in message or cause not in message or not REMEDY.search(message):
        yield f"unclear: {message}"


def files(tree: Tree) -> Tree:
    """Return files and links without leftovers and backups, and without their modes."""
    kept = {name: item for name, item in tree.items() if item.kind != "directory" and name not in leftovers(tree)}
    return {name: item._replace(mode=0) for name, item in kept.items() if "@" not in name}


def chosen_calls(change: Change, calls: list[strace.Call]) -> list[int]:
    """Return the indexes of calls that fail. Short runs have all calls that change something, and some others."""
    concerned = [index for index, call in enumerate(calls) if change.concerns(call)]
    looking = [index for index in concerned if not calls[index].changes]
    changing = [index for index in concerned if calls[index].changes]
    if LONG:
        return concerned
    return sorted([*changing, *(looking[::6] if change.engine.is_quick else [])])


@pytest.mark.parametrize("change", SOME, indirect=True)
def test_each_call_fails_once(change: Change, count: Any) -> None:
    _answer, calls = change.run()
    tried = []
    for number, index in enumerate(chosen_calls(change, calls)):
        possible = errors(calls[index])
        tried += [
            (calls[index], error) for error in (possible if LONG else possible[number % len(possible or " ") :][:1])
        ]
    problems = {
        f"{call}: {error}": found
        for call, error in tried
        if (found := list(failed(change, strace.fail(call, error), error, once=True)))
    }
    count("errors injected", len(tried))
    assert problems == {}


@pytest.mark.parametrize("change", SOME, indirect=True)
def test_nothing_can_be_changed_from_a_call_on(change: Change, count: Any) -> None:
    _answer, calls = change.run()
    chosen = [index for index, call in enumerate(calls) if change.concerns(call) and call.changes]
    kinds = itertools.cycle(["EROFS", "EIO", "ENOSPC"])
    tried = [(index, error) for index in chosen for error in (["EROFS", "EIO", "ENOSPC"] if LONG else [next(kinds)])]
    tried = tried if LONG or change.engine.is_quick else tried[::3]
    problems = {
        f"{calls[index]}: {error}": found
        for index, error in tried
        if (found := list(failed(change, strace.fail_from(calls, index, error), error, once=False)))
    }
    count("disks that failed for good", len(tried))
    assert problems == {}


def looks(call: strace.Call) -> list[str]:
    """Return the errors of a call in a comparison, without EACCES for files: such a file is written again."""
    return [error for error in errors(call) if not (reads_file(call) and error == "EACCES")]


def reads_file(call: strace.Call) -> bool:
    return call.kind == "open" and "O_DIRECTORY" not in call.arguments


@pytest.mark.parametrize("change", cases("renewal", "upgrade", "VOMS", by_root=["renewal"]), indirect=True)
def test_comparison_is_right_or_fails(change: Change, count: Any) -> None:
    """Check that a certificate that cannot be read is not reported as missing: that would skip the rules of renewal."""
    good, calls = change.compare()
    chosen = [call for call in calls if change.concerns(call)]
    chosen = [call for number, call in enumerate(chosen) if LONG or number % 3 == 0 or reads_file(call)]
    tried = [(call, error) for call in chosen for error in looks(call)]
    problems = {}
    for call, error in tried:
        answer, _calls = change.compare(*strace.fail(call, error))
        found = [] if "outcomes" in answer else [answer]
        for outcome, expected in zip(answer.get("outcomes", []), good["outcomes"]):
            failure = bool(outcome.get("failed"))
            found += unclear(change, outcome, error) if failure else [outcome] if outcome != expected else []
        if found:
            problems[f"{call}: {error}"] = found
    count("errors injected", len(tried))
    assert problems == {}
