# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VOs on a node that no source names any more.

A VO is removed as a whole, and only if all files about it have the form in which this collection writes them: one
vomses file with the name of the VO, and LSC files. Otherwise the VO is left as it is, with a warning.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._files import leftovers
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.plugin_utils._action import places
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Facts, Place
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms_files, vomses, vos
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Vo

__all__ = ["GONE", "Unnamed", "look", "overview"]

GONE = "no source names it any more"
_MODE = 0o644


@dataclass
class Unnamed:
    """The VOs that are removed, each with its directory of LSC files and the engine's answer to the comparison of it.

    :param emptied: those of them whose directory is removed, too, because nothing else is in it.
    :param refusal: the reason why the VOs are not removed; empty if they are removed, or if there are none.
    """

    vos: list[Vo] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusal: str = ""


@dataclass(frozen=True)
class _Candidate:
    """A VO that no source names.

    :param foreign: a file about it that this collection cannot have written, if any.
    :param has_directory: whether it has a directory for LSC files.
    """

    name: str
    place: Place
    outcome: dict[str, Any]
    foreign: str
    has_directory: bool

    @property
    def is_emptied(self) -> bool:
        """Whether the directory is empty when the files about the VO are removed."""
        files = self.outcome.get("found", {}).items()
        return self.has_directory and all(voms_files.is_stated(file, facts) for file, facts in files)


def overview(named: list[Vo], vomsdir_path: str) -> Place:
    """The directories that ``vomsdir`` should have: one for each VO with servers."""
    return Place("vomsdir", vomsdir_path, ["*"], {vo.name: {"kind": "directory"} for vo in named if vo.servers})


def look(
    options: dict[str, Any], named: list[Vo], mistakes: Mistakes, tables: Facts, seen: dict[str, Any]
) -> Conversation:
    """Find the VOs that no source names, and return an :class:`Unnamed`.

    :param tables: the vomses files of the node. :param seen: the engine's answer to the comparison of :func:`overview`.
    """
    root = overview(named, options["vomsdir_path"])
    there = {name for name, facts in seen.get("found", root.wanted).items() if facts["kind"] == "directory"}
    stated = _stated(tables)
    known = {vo.name for vo in named} | mistakes.kept
    names = sorted(name for name in there.union(stated) - known if vos.is_name(name))
    layout = voms_files.layout([Vo(name, []) for name in names], "", options["vomsdir_path"])[1:]
    outcomes = (yield Request([places.compare_set(one) for one in layout])) if layout else []
    candidates = [
        _Candidate(name, place, outcome, _foreign(name, place, outcome, tables, stated, options), name in there)
        for name, place, outcome in zip(names, layout, outcomes)
    ]
    own = [one for one in candidates if not one.foreign]
    removable = [one for one in own if _is_stated(one, stated)]
    remaining = {vo.name for vo in named if vo.servers} | mistakes.kept
    refusal = _refusal(removable, remaining, remaining & there.union(stated), mistakes, options["allow_shrink"])
    removed = [one for one in own if one in removable or one.is_emptied]
    return _unnamed([] if refusal or mistakes.cause_to_keep_all else removed, list(_warnings(candidates)), refusal)


def _stated(tables: Facts) -> dict[str, set[str]]:
    """The vomses files that have entries of a VO, by VO."""
    files: dict[str, set[str]] = {}
    for file, facts in tables.items():
        for name in {line.vo for line in voms_files.lines_of(facts) if line.vo}:
            files.setdefault(name, set()).add(file)
    return files


def _unnamed(removed: list[_Candidate], warnings: list[str], refusal: str) -> Unnamed:
    return Unnamed(
        [Vo(one.name, []) for one in removed],
        [one.place for one in removed],
        [one.outcome for one in removed],
        [one.name for one in removed if one.is_emptied],
        warnings,
        refusal,
    )


# --- what can be removed ----------------------------------------------------------------------------------------------


def _foreign(
    name: str,
    place: Place,
    outcome: dict[str, Any],
    tables: Facts,
    stated: dict[str, set[str]],
    options: dict[str, Any],
) -> str:
    """A file about the VO that this collection cannot have written, or why that cannot be seen; empty if there is none.

    :param tables: the vomses files of the node. :param stated: the vomses files that have entries of a VO, by VO.
    """
    own = [one for one in sorted(stated.get(name, [])) if not _is_own_table(name, one, tables[one])]
    foreign = [os.path.join(options["vomses_path"], one) for one in own]
    foreign += [os.path.join(place.directory, file) for file in _foreign_lsc_files(outcome)]
    if outcome.get("failed"):
        foreign.append(f"{place.directory}: {outcome['msg']}")
    return foreign[0] if foreign else ""


def _is_own_table(name: str, file: str, facts: dict[str, Any]) -> bool:
    """Whether a vomses file with entries of the VO has the form of the file that this collection writes."""
    return file == name and _is_plain(facts) and all(_is_own_line(line, name) for line in voms_files.lines_of(facts))


def _is_own_line(line: vomses.Line, name: str) -> bool:
    """Entries of other VOs may have any form: this collection leaves them in its file."""
    try:
        entry = line.parse()
    except vomses.VomsError:
        return False
    return bool(entry) and (line.vo != name or line.raw == str(entry).encode())


def _foreign_lsc_files(outcome: dict[str, Any]) -> Iterator[str]:
    for file, facts in sorted(outcome.get("found", {}).items()):
        if voms_files.is_stated(file, facts) and not (leftovers.is_leftover(file) or _is_own_lsc_file(file, facts)):
            yield file


def _is_own_lsc_file(file: str, facts: dict[str, Any]) -> bool:
    content = voms_files.content_of(facts)
    try:
        vos.check_host(file.removesuffix(voms_files.LSC), "")
        dns = vomses.parse_lsc(content.decode(errors="replace"))
    except (GridSecurityError, vomses.VomsError):
        return False
    return file.endswith(voms_files.LSC) and _is_plain(facts) and content == "{}\n{}\n".format(*dns).encode()


def _is_plain(facts: dict[str, Any]) -> bool:
    return facts["kind"] == "file" and facts["mode"] == _MODE and bool(facts.get("own", True))


def _is_stated(candidate: _Candidate, stated: Collection[str]) -> bool:
    """Whether there is anything to remove."""
    files = candidate.outcome.get("found", {}).items()
    return candidate.name in stated or any(voms_files.is_stated(file, facts) for file, facts in files)


def _refusal(
    removable: list[_Candidate], remaining: Collection[str], kept: Collection[str], mistakes: Mistakes, allow: bool
) -> str:
    """Why nothing is removed: a mistake in an inventory must not remove all VOs.

    :param remaining: the VOs that the node should have. :param kept: the VOs that the node has and keeps.
    """
    number, present = len(removable), len(removable) + len(kept)
    begin = f"nothing is purged. No source names {listed([one.name for one in removable])}, but"
    if removable and mistakes.cause_to_keep_all:
        return f"{begin} {mistakes.cause_to_keep_all}."
    if removable and not allow and (not remaining or 2 * number > present):
        much = f"more than half of the {present} VOs in place" if remaining else "all VOs in place"
        return f"{begin} that is {much}. If it is intended, set allow_shrink: true."
    return ""


def _warnings(candidates: list[_Candidate]) -> Iterator[str]:
    left = [f"{one.name} ({one.foreign})" for one in candidates if one.foreign]
    if left:
        first = "VOs that no source names are left, because not all files about them are of this collection"
        remedy = "remove the package that has the files, or write {name: VO, state: absent} in vos"
        yield f"{first}: {listed(left)}. To remove such a VO, {remedy}."
