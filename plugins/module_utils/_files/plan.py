# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the present state of paths with the wanted state. Nothing is changed here."""

from __future__ import annotations

import itertools
import os
import stat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import beside, locks, selinux
from ansible_collections.grid.security.plugins.module_utils._files.directories import open_directory
from ansible_collections.grid.security.plugins.module_utils._files.entries import Entry, Step
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.observed import Observed, observe
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import explained

__all__ = ["plan", "plan_clearing"]

_MOST_OBSERVED = 1 << 20  # bytes of an existing file that are read for a report
_MOST_RECALLED = 1 << 24  # bytes of a file that the controller itself placed and wants to see again
_ORDER = {"directory": 0, "file": 1, "link": 2, "absent": 3}


def plan(entries: list[Entry], inspectors: Inspectors) -> list[Step]:
    """Return a step for each entry, in the order in which the steps are applied.

    :raises GridSecurityError: another kind of file is in the way, or a path cannot be looked at.
    """
    steps = _look_at_all(entries, inspectors.largest_key)
    if any(entry.beside for entry in entries):
        beside.decide(steps, inspectors)
    for step in steps:
        _PLANNERS[step.entry.state](step)
    return steps


def plan_clearing(steps: list[Step]) -> None:
    """Add the removal of leftovers to the changes of all steps in the same directory. A leftover may hold a key."""
    others = [step for step in steps if step.entry.state != "directory"]
    parents = {os.path.dirname(step.entry.path) for step in others}
    unclean = {parent for parent in parents if _has_leftovers(parent)}
    for step in others:
        if os.path.dirname(step.entry.path) in unclean:
            step.changes.append("leftover of an interrupted run cleared")


def _has_leftovers(path: str) -> bool:
    try:
        with open_directory(path) as directory, explained(path, "looked at"):
            return locks.has_leftovers(directory)
    except GridSecurityError as error:
        if error.error_code != "no_directory":
            raise
        return False


# --- the present state ------------------------------------------------------------------------------------------------


def _look_at_all(entries: list[Entry], largest_key: int) -> list[Step]:
    """Return a step without changes for each entry, in order. Each directory is opened once."""
    planned = {entry.path for entry in entries if entry.state == "directory"}
    steps = []
    by_parent = itertools.groupby(sorted(entries, key=_turn), key=lambda entry: os.path.dirname(entry.path))
    for parent, neighbours in by_parent:
        steps += _look_in(parent, list(neighbours), parent in planned, largest_key)
    return steps


def _turn(entry: Entry) -> tuple[int, bool]:
    """Put a certificate behind the files that depend on it.

    A run may be killed in between. The next run must not find an old key beside a new certificate: it might keep that
    key. It must not find a key without its certificate: it might leave that key.
    """
    return _ORDER[entry.state], entry.observe or entry.certificates is not None


def _look_in(parent: str, entries: list[Entry], is_planned: bool, largest_key: int) -> list[Step]:
    """Return the steps for entries of one directory. :param is_planned: whether this run creates the directory."""
    try:
        with open_directory(parent) as directory:
            return [Step(entry, _look(directory, entry, largest_key)) for entry in entries]
    except GridSecurityError as error:
        is_needed = not is_planned and any(entry.state != "absent" for entry in entries)
        if error.error_code != "no_directory" or is_needed:
            raise
        return [Step(entry, Observed("absent")) for entry in entries]


def _look(directory: int, entry: Entry, largest_key: int) -> Observed:
    name = os.path.basename(entry.path) or "."  # / has no name
    with explained(entry.path, "looked at"):
        return observe(directory, name, _limit(entry, largest_key))


def _limit(entry: Entry, largest_key: int) -> int | None:
    """Return how many bytes of a present file are read; None if its content does not matter."""
    if entry.state != "file" and not entry.certificates:
        return None
    if entry.recall:
        return max(entry.size, _MOST_RECALLED)
    if entry.secret and not entry.observe:
        return max(entry.size, largest_key) if entry.privatekey or entry.beside else entry.size
    return max(entry.size, _MOST_OBSERVED)


# --- the changes ------------------------------------------------------------------------------------------------------


def _plan_file(step: Step) -> None:
    _refuse_directory(step)
    change = _new_file(step)
    if change:
        step.changes.append(change)
        step.rewrite = True
    _plan_mode(step)
    wanted = selinux.default(step.entry.path, stat.S_IFREG | (step.entry.mode or 0))
    if not step.rewrite and wanted and step.before.context and wanted != step.before.context:
        step.changes.append("SELinux label corrected")
        step.rewrite = True


def _new_file(step: Step) -> str | None:
    """Return why the file is written anew, or None."""
    entry, before = step.entry, step.before
    if before.kind == "absent":
        return "created"
    if before.kind != "file":
        return "replaced a symbolic link" if before.kind == "link" else "replaced a special file"
    if before.sha256 != entry.sha256 and not step.kept:
        return "content replaced"
    if (entry.uid if entry.uid >= 0 else os.geteuid()) != before.uid:
        return "owner corrected"
    return "group corrected" if entry.gid >= 0 and entry.gid != before.gid else None


def _plan_mode(step: Step) -> None:
    mode = step.entry.mode
    if mode is not None and step.before.kind == step.entry.state and step.before.mode != mode:
        step.changes.append(f"mode {step.before.mode:04o} → {mode:04o}")


def _plan_link(step: Step) -> None:
    _refuse_directory(step)
    entry, before = step.entry, step.before
    if before.target != entry.target:
        step.changes.append("created" if before.kind == "absent" else f"now points to {entry.target}")


def _refuse_directory(step: Step) -> None:
    if step.before.kind == "directory":
        path = step.entry.path
        raise GridSecurityError("is_directory", f"{path} is a directory. Move it away, then run again.")


def _plan_directory(step: Step) -> None:
    kind = step.before.kind
    if kind not in ("absent", "directory"):
        raise GridSecurityError(
            "not_a_directory", f"{step.entry.path} is a {kind}, not a directory. Remove it, or name the real directory."
        )
    if kind == "absent":
        step.changes.append("created")
    _plan_mode(step)


def _plan_absent(step: Step) -> None:
    if step.before.kind == "directory" and not step.entry.empty_directory:
        raise GridSecurityError(
            "is_directory", f"{step.entry.path} is a directory and is not removed. Remove it by hand if it is unwanted."
        )
    if step.before.kind != "absent" and not step.left:
        step.changes.append("removed")


_PLANNERS = {"file": _plan_file, "link": _plan_link, "directory": _plan_directory, "absent": _plan_absent}
