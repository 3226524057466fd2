# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there compared with what should be: nothing is changed here."""

from __future__ import annotations

import itertools
import os
import stat

from ansible_collections.grid.security.plugins.module_utils import secure_fs, selinux
from ansible_collections.grid.security.plugins.module_utils.entries import Entry, Step
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["plan", "plan_clearing"]

_MOST_OBSERVED = 1 << 20  # bytes of an existing file that are reported back
_MOST_TEXT = 16 << 20  # bytes of one that is asked for as a whole: a grid-mapfile of 100,000 accounts
_ORDER = {"directory": 0, "file": 1, "link": 2, "absent": 3}


def plan(entries: list[Entry]) -> list[Step]:
    """A step for each entry, in the order in which they are to be done.

    :raises GridSecurityError: something is in the way, or cannot be looked at.
    """
    made = {entry.path for entry in entries if entry.state == "directory"}
    ordered = sorted(entries, key=lambda entry: _ORDER[entry.state])
    steps = []
    for parent, beside in itertools.groupby(ordered, key=lambda entry: os.path.dirname(entry.path)):
        steps += _plan_beside(parent, list(beside), made)
    return steps


def _plan_beside(parent: str, entries: list[Entry], made: set[str]) -> list[Step]:
    """Entries of one directory, which is walked to once. :param made: directories that are about to be made."""
    try:
        with secure_fs.open_directory(parent) as directory:
            steps = [Step(entry, _look(directory, entry)) for entry in entries]
    except GridSecurityError as error:
        needed = parent not in made and any(entry.state != "absent" for entry in entries)
        if error.kind != "no_directory" or needed:
            raise
        steps = [Step(entry, secure_fs.Observed("absent")) for entry in entries]
    for step in steps:
        _PLANNERS[step.entry.state](step)
    return steps


def plan_clearing(steps: list[Step]) -> None:
    """What an interrupted run left is a change of whatever lies beside it: it may hold a key, even one that is gone."""
    beside = [step for step in steps if step.entry.state != "directory"]
    parents = {os.path.dirname(step.entry.path) for step in beside}
    unclean = {parent for parent in parents if _has_leftovers(parent)}
    for step in beside:
        if os.path.dirname(step.entry.path) in unclean:
            step.changes.append("leftover of an interrupted run cleared")


def _has_leftovers(path: str) -> bool:
    try:
        with secure_fs.open_directory(path) as directory, secure_fs.explained(path, "looked at"):
            return secure_fs.has_leftovers(directory)
    except GridSecurityError as error:
        if error.kind != "no_directory":
            raise
        return False


def _look(directory: int, entry: Entry) -> secure_fs.Observed:
    name = os.path.basename(entry.path) or "."  # of /
    observable = entry.observe or not entry.secret
    limit = max(entry.size, _MOST_OBSERVED) if observable else entry.size
    limit = max(limit, _MOST_TEXT) if entry.observe_text else limit
    with secure_fs.explained(entry.path, "looked at"):
        return secure_fs.observe(directory, name, limit if entry.state == "file" else None)


def _plan_file(step: Step) -> None:
    entry, before = step.entry, step.before
    if before.kind == "directory":
        raise GridSecurityError("is_directory", f"{entry.path} is a directory. Move it away, then run again.")
    uid, gid = entry.ids
    if before.kind == "absent":
        step.changes.append("created")
    elif before.kind != "file":
        step.changes.append("replaced a symbolic link" if before.kind == "link" else "replaced a special file")
    elif before.sha256 != entry.sha256:
        step.changes.append("content replaced")
    elif (uid if uid >= 0 else os.geteuid()) != before.uid:
        step.changes.append("owner corrected")
    elif gid >= 0 and gid != before.gid:
        step.changes.append("group corrected")
    step.rewrite = bool(step.changes)
    _plan_mode(step)
    wanted = selinux.default(entry.path, stat.S_IFREG | (entry.mode or 0))
    if not step.rewrite and wanted and before.context and wanted != before.context:
        step.changes.append("SELinux label corrected")
        step.rewrite = True


def _plan_mode(step: Step) -> None:
    mode = step.entry.mode
    if mode is not None and step.before.kind == step.entry.state and step.before.mode != mode:
        step.changes.append(f"mode {step.before.mode:04o} → {mode:04o}")


def _plan_link(step: Step) -> None:
    entry, before = step.entry, step.before
    if before.kind == "directory":
        raise GridSecurityError("is_directory", f"{entry.path} is a directory. Move it away, then run again.")
    if before.target != entry.target:
        step.changes.append("created" if before.kind == "absent" else f"now points to {entry.target}")


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
    if step.before.kind == "directory":
        raise GridSecurityError(
            "is_directory", f"{step.entry.path} is a directory and is not removed. Remove it by hand if it is unwanted."
        )
    if step.before.kind != "absent":
        step.changes.append("removed")


_PLANNERS = {"file": _plan_file, "link": _plan_link, "directory": _plan_directory, "absent": _plan_absent}
