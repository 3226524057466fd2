# SPDX-License-Identifier: GPL-3.0-or-later
"""Every system call of a change fails, once or from then on, as on disks that are full, broken or read-only."""

from __future__ import annotations

import errno
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
from ansible_collections.grid.security.tests.support.faults.tree import Tree, leftovers, snapshot

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
REMEDY = re.compile("then run again|Give its owner access")


def errors(call: strace.Call) -> list[str]:
    return ERRORS.get(call.kind, []) + (FULL if call.creates else [])


def failed(change: Change, injections: list[str], error: str, once: bool) -> Iterator[str]:
    """What is wrong after a run in which something failed, and after the next run."""
    answer, _calls = change.run(*injections)
    tree = snapshot(change.root)
    if "outcomes" not in answer:
        yield f"a traceback: {answer}"
        return
    (outcome,) = answer["outcomes"]
    if outcome.get("failed"):
        yield from unclear(change, outcome, error)
        yield from change.wrong(tree)
        if outcome["kind"] != "incomplete" and files(tree, change) != files(change.before, change):
            yield f"{outcome['msg']} – but something has changed"
        if change.is_mixed(tree) and (once and change.after.keys() >= change.before.keys()):
            yield "certificate and key do not match"
    else:
        yield from (f"though all went well: {problem}" for problem in change.differs_from(change.after))
    yield from change.finish()


def unclear(change: Change, outcome: dict[str, Any], error: str) -> Iterator[str]:
    """What a message lacks: the thing, the cause, the remedy."""
    message, cause = outcome["msg"], os.strerror(getattr(errno, error))
    if outcome["kind"] == "changed_meanwhile":  # so it looks if a file can suddenly not be read
        return
    if outcome["kind"] not in ("os_error", "incomplete", "no_access"):
        yield f"kind {outcome['kind']}: {message}"
    if str(change.root) not in message or cause not in message or not REMEDY.search(message):
        yield f"unclear: {message}"


def files(tree: Tree, change: Change) -> Tree:
    """Without directories, which may be there already, and what the next run clears; modes as they will be."""
    kept = {name: item for name, item in tree.items() if item.kind != "directory" and name not in leftovers(tree)}
    return {name: item._replace(mode=0) for name, item in kept.items() if "@" not in name}


@pytest.mark.parametrize("change", cases(*CREDENTIALS, *ROOTS, *STORES), indirect=True)
def test_each_call_fails_once(change: Change, count: Any) -> None:
    _answer, calls = change.run()
    chosen = [call for call in calls if change.concerns(call) and (change.engine.is_quick or LONG or call.changes)]
    tried = [
        (call, error)
        for number, call in enumerate(chosen)
        for error in (errors(call) if LONG else errors(call)[number % max(len(errors(call)), 1) :][:1])
    ]
    count("errors injected", len(tried))
    problems = {
        f"{call}: {error}": found
        for call, error in tried
        if (found := list(failed(change, strace.fail(call, error), error, once=True)))
    }
    assert problems == {}


@pytest.mark.parametrize("change", cases(*CREDENTIALS, *ROOTS, *STORES), indirect=True)
def test_nothing_can_be_changed_from_a_call_on(change: Change, count: Any) -> None:
    _answer, calls = change.run()
    chosen = [index for index, call in enumerate(calls) if change.concerns(call) and call.changes]
    tried = [
        (index, error)
        for number, index in enumerate(chosen)
        for error in (["ENOSPC", "EROFS", "EIO"] if LONG else [["EROFS", "EIO", "ENOSPC"][number % 3]])
    ]
    count("disks that failed for good", len(tried))
    problems = {
        f"{calls[index]}: {error}": found
        for index, error in tried
        if (found := list(failed(change, strace.fail_from(calls, index, error), error, once=False)))
    }
    assert problems == {}
