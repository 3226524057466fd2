# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there compared with what should be: nothing is changed here."""

from __future__ import annotations

import itertools
import os
import stat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import beside, secure_fs, selinux
from ansible_collections.grid.security.plugins.module_utils._files.entries import Entry, Step
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors

__all__ = ["plan", "plan_clearing"]

_MOST_OBSERVED = 1 << 20  # bytes of an existing file that are reported back
_MOST_RECALLED = 1 << 24  # bytes of a file that the controller itself placed and wants to see again
_ORDER = {"directory": 0, "file": 1, "link": 2, "absent": 3}


def plan(entries: list[Entry], inspectors: Inspectors) -> list[Step]:
    """A step for each entry, in the order in which they are to be done.

    :raises GridSecurityError: something is in the way, or cannot be looked at.
    """
    made = {entry.path for entry in entries if entry.state == "directory"}
    ordered = sorted(entries, key=_turn)
    steps = []
    for parent, neighbours in itertools.groupby(ordered, key=lambda entry: os.path.dirname(entry.path)):
        steps += _look_beside(parent, list(neighbours), made, inspectors.largest_key)
    if any(entry.beside for entry in entries):
        beside.decide(steps, inspectors)
    for step in steps:
        _PLANNERS[step.entry.state](step)
    return steps


def _turn(entry: Entry) -> tuple[int, bool]:
    """Put a certificate behind the files that depend on it.

    A run may be killed in between. The next run must not find an old key beside a new certificate: it might keep that
    key. Nor must it find a key beside no certificate: it might leave that key.
    """
    return _ORDER[entry.state], entry.observe or entry.certificates is not None


def _look_beside(parent: str, entries: list[Entry], made: set[str], largest_key: int) -> list[Step]:
    """Entries of one directory, which is walked to once. :param made: directories that are about to be made."""
    try:
        with secure_fs.open_directory(parent) as directory:
            return [Step(entry, _look(directory, entry, largest_key)) for entry in entries]
    except GridSecurityError as error:
        needed = parent not in made and any(entry.state != "absent" for entry in entries)
        if error.error_code != "no_directory" or needed:
            raise
        return [Step(entry, secure_fs.Observed("absent")) for entry in entries]


def plan_clearing(steps: list[Step]) -> None:
    """What an interrupted run left is a change of whatever lies beside it: it may hold a key, even one that is gone."""
    others = [step for step in steps if step.entry.state != "directory"]
    parents = {os.path.dirname(step.entry.path) for step in others}
    unclean = {parent for parent in parents if _has_leftovers(parent)}
    for step in others:
        if os.path.dirname(step.entry.path) in unclean:
            step.changes.append("leftover of an interrupted run cleared")


def _has_leftovers(path: str) -> bool:
    try:
        with secure_fs.open_directory(path) as directory, secure_fs.explained(path, "looked at"):
            return secure_fs.has_leftovers(directory)
    except GridSecurityError as error:
        if error.error_code != "no_directory":
            raise
        return False


def _look(directory: int, entry: Entry, largest_key: int) -> secure_fs.Observed:
    with secure_fs.explained(entry.path, "looked at"):
        return secure_fs.observe(
            directory, os.path.basename(entry.path) or ".", _limit(entry, largest_key)
        )  # / has no name


def _limit(entry: Entry, largest_key: int) -> int | None:
    """How many bytes of a present file are read, if any."""
    if entry.state != "file" and not entry.certificates:
        return None
    if entry.recall:
        return max(entry.size, _MOST_RECALLED)
    if entry.secret and not entry.observe:
        return max(entry.size, largest_key) if entry.privatekey or entry.beside else entry.size
    return max(entry.size, _MOST_OBSERVED)


def _plan_file(step: Step) -> None:
    entry, before = step.entry, step.before
    if before.kind == "directory":
        raise GridSecurityError("is_directory", f"{entry.path} is a directory. Move it away, then run again.")
    if before.kind == "absent":
        step.changes.append("created")
    elif before.kind != "file":
        step.changes.append("replaced a symbolic link" if before.kind == "link" else "replaced a special file")
    elif before.sha256 != entry.sha256 and not step.kept:
        step.changes.append("content replaced")
    elif (entry.uid if entry.uid >= 0 else os.geteuid()) != before.uid:
        step.changes.append("owner corrected")
    elif entry.gid >= 0 and entry.gid != before.gid:
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
    if step.before.kind == "directory" and not step.entry.empty_directory:
        raise GridSecurityError(
            "is_directory", f"{step.entry.path} is a directory and is not removed. Remove it by hand if it is unwanted."
        )
    if step.before.kind != "absent" and not step.left:
        step.changes.append("removed")


_PLANNERS = {"file": _plan_file, "link": _plan_link, "directory": _plan_directory, "absent": _plan_absent}
