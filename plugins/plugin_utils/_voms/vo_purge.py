# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the VOs on a node that no source names any more.

A VO is removed as a whole, and only if all files about it have the form in which this collection writes them: one
vomses file with the name of the VO, and LSC files. Otherwise the VO is left as it is, with a warning.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._files import leftovers
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Outcomes
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms_files, vomses, vos
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.voms_comparison import ComparedVo
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Vo

__all__ = ["Search", "Unnamed", "VomsesFiles", "vomsdir"]

_MODE = 0o644


@dataclass(frozen=True)
class Unnamed:
    """The result of a search.

    :param vos: the VOs that are removed.
    :param refusal: the reason why no VO is removed; empty if VOs are removed, or if there are none.
    """

    vos: list[ComparedVo] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    refusal: str = ""


@dataclass(frozen=True)
class VomsesFiles:
    """The vomses files of a node."""

    path: str
    files: Facts

    @functools.cached_property
    def by_vo(self) -> dict[str, set[str]]:
        """The names of the files that have entries of a VO, by VO."""
        found: dict[str, set[str]] = {}
        for file, facts in self.files.items():
            for name in {line.vo for line in voms_files.lines_of(facts) if line.vo}:
                found.setdefault(name, set()).add(file)
        return found


def vomsdir(named: list[Vo], path: str) -> ManagedDirectory:
    """Return the directory that should have a directory of LSC files for each VO with servers."""
    return ManagedDirectory("vomsdir", path, ["*"], {vo.name: {"kind": "directory"} for vo in named if vo.servers})


@dataclass(frozen=True)
class Search:
    """The search for VOs that no source names.

    :param allow_shrink: the option. :param named: the VOs of the sources.
    :param vomses_files: of the node. :param vomsdir: the directory of :func:`vomsdir`.
    """

    allow_shrink: bool
    named: list[Vo]
    mistakes: Mistakes
    vomses_files: VomsesFiles
    vomsdir: Compared

    @functools.cached_property
    def directories(self) -> dict[str, ManagedDirectory]:
        """The directories of LSC files that must be compared, by VO."""
        known = {vo.name for vo in self.named} | self.mistakes.kept
        names = sorted(name for name in self._present - known if vos.is_name(name))
        return {name: voms_files.lsc_directory(Vo(name, []), self.vomsdir.directory.path) for name in names}

    def unnamed(self, outcomes: Outcomes) -> Unnamed:
        """Return the VOs that are removed. :param outcomes: of the comparisons of all :attr:`directories`."""
        pairs = zip(self.directories.items(), outcomes)
        candidates = [self._candidate(name, Compared(directory, outcome)) for (name, directory), outcome in pairs]
        own = [candidate for candidate in candidates if not candidate.foreign]
        refusal = self._refusal([candidate.name for candidate in own if candidate.has_files])
        is_refused = bool(refusal or self.mistakes.cause_to_keep_all)
        removed = [candidate.removed for candidate in own if candidate.has_files or candidate.is_emptied]
        return Unnamed([] if is_refused else removed, list(_warnings(candidates)), refusal)

    @functools.cached_property
    def _with_directory(self) -> set[str]:
        return {name for name, facts in self.vomsdir.found.items() if facts["kind"] == "directory"}

    @property
    def _present(self) -> set[str]:
        """The names of the VOs that the node has."""
        return self._with_directory.union(self.vomses_files.by_vo)

    def _candidate(self, name: str, lsc: Compared) -> _Candidate:
        foreign = next(_foreign_files(name, lsc, self.vomses_files), "")
        return _Candidate(name, lsc, foreign, name in self.vomses_files.by_vo, name in self._with_directory)

    def _refusal(self, removable: list[str]) -> str:
        """Return why no VO is removed. A mistake in an inventory must not remove all VOs."""
        remaining = {vo.name for vo in self.named if vo.servers} | self.mistakes.kept
        number, present = len(removable), len(removable) + len(remaining & self._present)
        begin = f"nothing is purged. No source names {listed(removable)}, but"
        if removable and self.mistakes.cause_to_keep_all:
            return f"{begin} {self.mistakes.cause_to_keep_all}."
        if removable and not self.allow_shrink and (not remaining or 2 * number > present):
            much = f"more than half of the {present} VOs in place" if remaining else "all VOs in place"
            return f"{begin} that is {much}. If it is intended, set allow_shrink: true."
        return ""


@dataclass(frozen=True)
class _Candidate:
    """A VO that no source names.

    :param foreign: a file about the VO that this collection cannot have written, if any.
    :param has_entries: whether vomses files have entries of the VO.
    :param has_directory: whether the VO has a directory for LSC files.
    """

    name: str
    lsc: Compared
    foreign: str
    has_entries: bool
    has_directory: bool

    @property
    def has_files(self) -> bool:
        """Whether there are files about the VO that clients read."""
        return self.has_entries or any(voms_files.is_read(file, facts) for file, facts in self.lsc.found.items())

    @property
    def is_emptied(self) -> bool:
        """Whether the directory is empty when the files about the VO are removed."""
        return self.has_directory and all(voms_files.is_read(file, facts) for file, facts in self.lsc.found.items())

    @property
    def removed(self) -> ComparedVo:
        """The VO without servers, so that its files are removed."""
        return ComparedVo(Vo(self.name, []), self.lsc, is_unnamed=True, is_emptied=self.is_emptied)


# --- files of this collection -----------------------------------------------------------------------------------------


def _foreign_files(name: str, lsc: Compared, vomses_files: VomsesFiles) -> Iterator[str]:
    """Yield the files about a VO that this collection cannot have written, or why that cannot be seen."""
    for file in sorted(vomses_files.by_vo.get(name, [])):
        if not _is_own_vomses_file(name, file, vomses_files.files[file]):
            yield os.path.join(vomses_files.path, file)
    for file, facts in sorted(lsc.found.items()):
        if voms_files.is_read(file, facts) and not (leftovers.is_leftover(file) or _is_own_lsc_file(file, facts)):
            yield os.path.join(lsc.directory.path, file)
    if lsc.outcome.get("failed"):
        yield f"{lsc.directory.path}: {lsc.outcome['msg']}"


def _is_own_vomses_file(name: str, file: str, facts: dict[str, Any]) -> bool:
    """Return whether a vomses file has the form in which this collection writes the file of the VO."""
    return file == name and _is_plain(facts) and all(_is_own_line(line, name) for line in voms_files.lines_of(facts))


def _is_own_line(line: vomses.Line, name: str) -> bool:
    """Return whether this collection can have written a line of the VO's file.

    The file keeps entries of other VOs in any form.
    """
    try:
        entry = line.parse()
    except vomses.VomsError:
        return False
    return bool(entry) and (line.vo != name or line.raw == str(entry).encode())


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


def _warnings(candidates: list[_Candidate]) -> Iterator[str]:
    left = [f"{candidate.name} ({candidate.foreign})" for candidate in candidates if candidate.foreign]
    if left:
        first = "VOs that no source names are left, because not all files about them are of this collection"
        remedy = "remove the package that has the files, or write {name: VO, state: absent} in vos"
        yield f"{first}: {listed(left)}. To remove such a VO, {remedy}."
