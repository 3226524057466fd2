# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the VOMS files of a node with the wanted files, and list the changes."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import readable
from ansible_collections.grid.security.plugins.module_utils._files import diffs, leftovers, manifest
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts, managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._voms.voms_files import content_of, found, is_read, lines_of
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Line, Vo, VomsError

__all__ = ["Change", "ComparedVo", "Comparison"]

_MOST_COMPLAINTS = 5  # about one file


@dataclass(frozen=True)
class Change:
    """A file or directory that differs.

    :param vos: the names of the VOs that the change is about.
    :param before: facts; None if the file does not exist. :param after: facts; None if the file is removed.
    """

    path: str
    vos: set[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def __str__(self) -> str:
        return f"{self.path}: {file_facts.describe_difference(self.before, self.after)}"

    @property
    def diff(self) -> str:
        """A line that describes the change, and the lines that change."""
        before, after = (content_of(facts).decode(errors="replace") for facts in (self.before, self.after))
        return "".join((f"# {self}\n", *diffs.unified(before, after, self.path)))


@dataclass(frozen=True)
class ComparedVo:
    """A VO with its directory of LSC files.

    :param is_unnamed: whether the VO is removed because no source names it.
    :param is_emptied: whether the directory is removed, too, because it has no other files.
    """

    vo: Vo
    lsc: Compared
    is_unnamed: bool = False
    is_emptied: bool = False

    @functools.cached_property
    def found(self) -> Facts:
        """The present files of the directory."""
        return found(self.lsc)

    @property
    def changes(self) -> Iterator[Change]:
        """The LSC files that differ."""
        wanted = self.lsc.directory.wanted
        present = {name for name, facts in self.found.items() if is_read(name, facts)}
        for name in sorted({*wanted, *present}):
            before, after = self.found.get(name), wanted.get(name)
            if _differ(before, after):
                yield Change(os.path.join(self.lsc.directory.path, name), {self.vo.name}, before, after)

    @property
    def removal(self) -> Change:
        """The removal of the directory."""
        return Change(self.lsc.directory.path, {self.vo.name}, {"kind": "directory"}, None)


@dataclass(frozen=True)
class Comparison:
    """The VOMS files of a node. :param vomses: the directory of vomses files."""

    vomses: Compared
    vos: list[ComparedVo]

    @functools.cached_property
    def changes(self) -> list[Change]:
        """The files and directories that differ.

        LSC files come first, so that clients learn of no server whose signature they cannot check.
        """
        lsc = [change for compared in self.vos for change in compared.changes]
        return lsc + self._vomses_changes + [compared.removal for compared in self.vos if compared.is_emptied]

    @functools.cached_property
    def _names(self) -> set[str]:
        return {compared.vo.name for compared in self.vos}

    @functools.cached_property
    def _found(self) -> Facts:
        return found(self.vomses)

    @functools.cached_property
    def _vomses_files(self) -> dict[str, dict[str, Any] | None]:
        """The vomses files as they should be, also those of others. A file that is removed is None."""
        wanted = self.vomses.directory.wanted
        return {
            name: _merged(name, self._found.get(name), wanted.get(name), self._names)
            for name in sorted({*wanted, *self._found})
        }

    @functools.cached_property
    def _vomses_changes(self) -> list[Change]:
        changes = []
        for name, after in self._vomses_files.items():
            before = self._found.get(name)
            if _differ(before, after):
                concerned = {str(line.vo) for line in lines_of(before)} & self._names
                concerned |= {name} & set(self.vomses.directory.wanted)
                path = os.path.join(self.vomses.directory.path, name)
                changes.append(Change(path, concerned or self._names, before, after))
        return changes

    def edited_files(self, vo: Vo) -> list[str]:
        """Return the vomses files of others that lose their entries of a VO and keep the rest."""
        edited = [change.path for change in self._vomses_changes if vo.name in change.vos and _is_edit(change)]
        return [path for path in edited if os.path.basename(path) not in self.vomses.directory.wanted]

    def entries(self, vo: Vo) -> list[Line]:
        """Return the entries of a VO in the present vomses files."""
        return [line for facts in self._found.values() for line in lines_of(facts) if line.vo == vo.name]

    @property
    def warnings(self) -> list[str]:
        """What is wrong with vomses files of others. These mistakes are not corrected."""
        return [
            f"{os.path.join(self.vomses.directory.path, name)}{complaint}"
            for name, facts in self._vomses_files.items()
            if facts and name not in self.vomses.directory.wanted
            for complaint in _complaints(name, facts)
        ]

    @property
    def file_sets(self) -> list[dict[str, Any]]:
        """The file sets that make the changes; none without changes.

        All files are in one set, so that files are removed after all new files are in place. The engine has a lock file
        in each directory of a set. So another set removes directories.
        """
        gone = [change for change in self.changes if _removes_directory(change)]
        files = [change for change in self.changes if change not in gone]
        sets = [self._files_set(files)] if self.changes else []
        return [*sets, _removals_set(gone)] if gone else sets

    def _files_set(self, changes: list[Change]) -> dict[str, Any]:
        directories = [self.vomses, *(compared.lsc for compared in self.vos)]
        written = {os.path.dirname(change.path) for change in changes if change.after}
        created = _created([compared.directory for compared in directories if compared.directory.path in written])
        entries = [file_facts.entry(change.path, change.after) for change in changes if change.after]
        # vomses files are removed before LSC files: clients must not learn of a server that they cannot check.
        entries += [file_facts.entry(change.path, None) for change in reversed(changes) if not change.after]
        preconditions = [compared.preconditions for compared in directories]
        return managed_directory.update_set(ManagedDirectory("VOMS", "/", [], {}, created), entries, preconditions)

    @property
    def contents(self) -> dict[str, str]:
        """The contents that the file sets need, in Base64, by SHA-256."""
        return {change.after["sha256"]: change.after["content"] for change in self.changes if change.after}


def _created(directories: list[ManagedDirectory]) -> list[str]:
    """Return the absolute paths of the directories that are created if they are missing, outermost first."""
    paths = {os.path.join(directory.path, path) for directory in directories for path in directory.created}
    return sorted({os.path.normpath(path) for path in paths} - {"/"})


def _removals_set(gone: list[Change]) -> dict[str, Any]:
    entries = [{"path": change.path, "state": "absent", "empty_directory": True} for change in gone]
    return managed_directory.update_set(ManagedDirectory("VOMS directories", "/", [], {}), entries)


def _removes_directory(change: Change) -> bool:
    return change.before is not None and change.before["kind"] == "directory" and change.after is None


def _differ(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    return (before and manifest.line(before)) != (after and manifest.line(after))


def _is_edit(change: Change) -> bool:
    return change.before is not None and change.after is not None


def _merged(
    name: str, before: dict[str, Any] | None, wanted: dict[str, Any] | None, managed: set[str]
) -> dict[str, Any] | None:
    """Return a vomses file without the present entries of managed VOs, and with their wanted entries.

    Entries of other VOs stay in every file. Comments and damaged lines stay in the files of others only.
    """
    if wanted:
        others = [line.raw.rstrip() + b"\n" for line in lines_of(before) if line.vo and line.vo not in managed]
        return file_facts.of_file(b"".join(others) + content_of(wanted))
    if before is None or leftovers.is_leftover(name):
        return None
    kept = [line for line in lines_of(before) if line.vo not in managed]
    if len(kept) == len(lines_of(before)):
        return before
    if all(line.is_skipped for line in kept):
        return None
    return {**file_facts.of_file(b"".join(line.raw for line in kept)), "mode": before["mode"]}


def _complaints(name: str, facts: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a vomses file, in words that follow its path."""
    if facts.get("content") is None:
        cause = "is large, or not everybody may read it" if facts["kind"] == "file" else f"is a {facts['kind']}"
        yield f" is not read, because it {cause}. Entries of managed VOs in it stay, and clients use them."
    wrong = [] if name.startswith(".") else list(_malformed(facts))  # Java clients do not read hidden files
    for line in wrong[:_MOST_COMPLAINTS]:
        yield f": {readable(line)}. Java clients stop there, whatever the VO. Correct or remove it."
    if len(wrong) > _MOST_COMPLAINTS:
        yield f": {len(wrong) - _MOST_COMPLAINTS} more of its lines are malformed."


def _malformed(facts: dict[str, Any]) -> Iterator[str]:
    for line in lines_of(facts):
        try:
            line.parse()
        except VomsError as error:
            yield f"{line.text!r} {error}"
