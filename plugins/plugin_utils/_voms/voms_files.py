# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of VOs on a node: what should be there, and what differs.

Which files hold entries of a VO is judged by what is in them, as clients do: packages and sites call them after the VO,
the server, both, or neither.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import readable
from ansible_collections.grid.security.plugins.module_utils._files import diffs, leftovers, manifest
from ansible_collections.grid.security.plugins.plugin_utils._action import places
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Facts, Place, file_facts
from ansible_collections.grid.security.plugins.plugin_utils._voms import vomses
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Vo

__all__ = ["LSC", "Change", "Comparison", "content_of", "found", "is_stated", "layout", "lines_of", "update_sets"]

LSC = ".lsc"
_MOST_COMPLAINTS = 5  # about one file


@dataclass(frozen=True)
class Change:
    """A file or directory that differs: what it is and what it should be, as a manifest has it; None for nothing.

    :param vos: the VOs that are the reason.
    """

    path: str
    vos: set[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.path}: {places.words(self.before, self.after)}"

    @property
    def diff(self) -> str:
        """A line that says what changes, and the lines that change."""
        before, after = (content_of(facts).decode(errors="replace") for facts in (self.before, self.after))
        return "".join((f"# {self}\n", *diffs.unified(before, after, self.path)))


def content_of(facts: dict[str, Any] | None) -> bytes:
    """The content of a file, from its facts; empty if the content is not known."""
    return base64.b64decode((facts or {}).get("content") or "")


# --- what should be there ---------------------------------------------------------------------------------------------


def layout(vos: list[Vo], vomses_path: str, vomsdir_path: str) -> list[Place]:
    """The directory of vomses files, with one file for each VO, and then each VO's directory of LSC files."""
    tables = {vo.name: file_facts(vo.vomses.encode()) for vo in vos if vo.servers}
    return [
        Place("vomses", vomses_path, ["*"], tables, ["..", "."], observe=True),
        *(_lsc_place(vo, os.path.join(vomsdir_path, vo.name)) for vo in vos),
    ]


def _lsc_place(vo: Vo, directory: str) -> Place:
    wanted = {f"{server.host}{LSC}": file_facts(server.lsc.encode()) for server in vo.servers}
    return Place(f"LSC files of {vo.name}", directory, ["*"], wanted, ["../..", "..", "."], observe=True)


# --- what differs -----------------------------------------------------------------------------------------------------


def found(place: Place, outcome: dict[str, Any]) -> Facts:
    """What is at a place, by the engine's answer to the comparison.

    A file of ours that not everybody may read comes without its content, but is known by its digest.
    """
    ours = {facts["sha256"]: facts["content"] for facts in place.wanted.values()}
    return {
        name: {**facts, "content": facts.get("content", ours.get(facts.get("sha256")))}
        for name, facts in outcome.get("found", place.wanted).items()
    }


@dataclass(frozen=True)
class Comparison:
    """What a node has, beside what it should have.

    :param wanted: the :func:`layout` for ``vos``. :param found: what is there, in the same order.
    :param emptied: the VOs whose directory of LSC files is removed, because nothing else is in it.
    """

    vos: list[Vo]
    wanted: list[Place]
    found: list[Facts]
    emptied: list[str] = field(default_factory=list)

    @functools.cached_property
    def changes(self) -> list[Change]:
        """What differs. LSC files come first, so that clients learn of no server whose signature does not count."""
        lsc = [one for triple in zip(self.vos, self.wanted[1:], self.found[1:]) for one in _lsc_changes(*triple)]
        directories = {vo.name: place.directory for vo, place in zip(self.vos, self.wanted[1:])}
        gone = [Change(directories[name], {name}, {"kind": "directory"}, None) for name in self.emptied]
        return lsc + self._vomses_changes + gone

    @functools.cached_property
    def tables(self) -> dict[str, dict[str, Any] | None]:
        """What each vomses file should be, those of others included."""
        managed, ours, found = {vo.name for vo in self.vos}, self.wanted[0].wanted, self.found[0]
        return {name: _merged(name, found.get(name), ours.get(name), managed) for name in sorted({*ours, *found})}

    @functools.cached_property
    def _vomses_changes(self) -> list[Change]:
        changes, names = [], {vo.name for vo in self.vos}
        for name, after in self.tables.items():
            before = self.found[0].get(name)
            if _differ(before, after):
                concerned = {str(line.vo) for line in lines_of(before)} & names | {name} & set(self.wanted[0].wanted)
                changes.append(Change(os.path.join(self.wanted[0].directory, name), concerned or names, before, after))
        return changes

    def shared(self, vo: Vo) -> list[str]:
        """Files of others that lose entries of a VO, and stay for what else they say."""
        edited = [one.path for one in self._vomses_changes if vo.name in one.vos and one.before and one.after]
        return [path for path in edited if os.path.basename(path) not in self.wanted[0].wanted]

    def entries(self, vo: Vo) -> list[vomses.Line]:
        """What vomses files say on one VO so far."""
        return [line for facts in self.found[0].values() for line in lines_of(facts) if line.vo == vo.name]

    @property
    def warnings(self) -> list[str]:
        """What is wrong with vomses files of others, and stays so."""
        directory, ours = self.wanted[0].directory, self.wanted[0].wanted
        return [
            f"{os.path.join(directory, name)}{what}"
            for name, facts in self.tables.items()
            if facts and name not in ours
            for what in _complaints(name, facts)
        ]


def _lsc_changes(vo: Vo, place: Place, found: Facts) -> Iterator[Change]:
    stated = {name for name, facts in found.items() if is_stated(name, facts)}
    for name in sorted({*place.wanted, *stated}):
        before, after = found.get(name), place.wanted.get(name)
        if _differ(before, after):
            yield Change(os.path.join(place.directory, name), {vo.name}, before, after)


def is_stated(name: str, facts: dict[str, Any]) -> bool:
    """Whether a client takes the file for a statement: Java ones go by its name, C++ ones try every certificate."""
    if facts["kind"] == "directory":
        return False
    return name.endswith((LSC, ".pem")) or bool(facts.get("certificate")) or leftovers.is_leftover(name)


def _differ(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    return (before and manifest.line(before)) != (after and manifest.line(after))


def lines_of(facts: dict[str, Any] | None) -> list[vomses.Line]:
    """The lines of a vomses file, from its facts."""
    return vomses.lines(content_of(facts))


def _merged(
    name: str, before: dict[str, Any] | None, ours: dict[str, Any] | None, managed: set[str]
) -> dict[str, Any] | None:
    """A vomses file without what it says about managed VOs, and with what it should say.

    Entries of other VOs stay wherever they are. In a file of ours nothing else stays, in one of others everything.
    """
    if ours:
        others = [line.raw.rstrip() + b"\n" for line in lines_of(before) if line.vo and line.vo not in managed]
        return file_facts(b"".join(others) + content_of(ours))
    if before is None or leftovers.is_leftover(name):
        return None
    kept = [line for line in lines_of(before) if line.vo not in managed]
    if len(kept) == len(lines_of(before)):
        return before
    if all(line.is_skipped for line in kept):
        return None
    return {**file_facts(b"".join(line.raw for line in kept)), "mode": before["mode"]}


def _complaints(name: str, facts: dict[str, Any]) -> Iterator[str]:
    if facts.get("content") is None:
        kind = "file that is large, or that not everybody may read," if facts["kind"] == "file" else facts["kind"]
        yield f" is a {kind} and not looked into. Entries of managed VOs in it stay, and clients use them."
    wrong = [] if name.startswith(".") else list(_malformed(facts))  # Java clients do not read hidden files
    for what in wrong[:_MOST_COMPLAINTS]:
        yield f": {readable(what)}. Java clients stop there, whatever the VO. Correct or remove it."
    if len(wrong) > _MOST_COMPLAINTS:
        yield f": so are {len(wrong) - _MOST_COMPLAINTS} more of its lines."


def _malformed(facts: dict[str, Any]) -> Iterator[str]:
    for line in lines_of(facts):
        try:
            line.parse()
        except vomses.VomsError as error:
            yield f"{line.text!r} {error}"


def update_sets(wanted: list[Place], changes: list[Change], outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One file set for all files, so that files are removed after all new files are in place; and one for directories.

    The engine has a lock file in each directory of a set. So a directory can be removed by another set only.

    :param outcomes: the engine's answers to the comparisons, which the changes are made from.
    """
    gone = [one.path for one in changes if one.before and one.before["kind"] == "directory" and not one.after]
    files = _files_set(wanted, [one for one in changes if one.path not in gone], outcomes)
    entries = [{"path": path, "state": "absent", "empty_directory": True} for path in gone]
    return [files, places.update_set(Place("VOMS directories", "/", [], {}), entries)] if gone else [files]


def _files_set(wanted: list[Place], changes: list[Change], outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    written = {os.path.dirname(one.path) for one in changes if one.after}
    paths = {os.path.join(one.directory, made) for one in wanted if one.directory in written for made in one.made}
    made = sorted({os.path.normpath(path) for path in paths} - {"/"})
    entries = [places.entry(one.path, one.after) for one in changes if one.after]
    # What clients are told goes before what lets them believe it.
    entries += [{"path": one.path, "state": "absent"} for one in reversed(changes) if not one.after]
    seen = [places.preconditions(*pair) for pair in zip(wanted, outcomes)]
    return places.update_set(Place("VOMS", "/", [], {}, made), entries, seen)
