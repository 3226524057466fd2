# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare a directory with its wanted files by a single digest, and change only the files that differ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import manifest
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts

__all__ = ["Compared", "ManagedDirectory", "raise_failure", "update_set"]


@dataclass(frozen=True)
class ManagedDirectory:
    """A directory of a node, and the wanted files among the names that match one of ``patterns``.

    Files with other names are not touched.

    :param created: directories, relative to this one and outermost first, that are created if they are missing.
    :param bundle: a file of the node that must hold all certificates of the directory. The system's own command adds
        them to this file.
    :param observe: whether the outcome of a comparison that differs has the contents that everybody may read.
    """

    name: str
    path: str
    patterns: list[str]
    wanted: Facts
    created: list[str] = field(default_factory=list)
    bundle: str | None = None
    observe: bool = False

    @property
    def compare_set(self) -> dict[str, Any]:
        """Return the file set that compares the directory by one digest."""
        expected = {
            "patterns": self.patterns,
            "sha256": manifest.digest(self.wanted),
            "bundle": self.bundle,
            "observe": self.observe,
        }
        return {"name": self.name, "directory": self.path, "entries": [], "manifest": expected}


@dataclass(frozen=True)
class Compared:
    """A directory with the engine's outcome of :attr:`ManagedDirectory.compare_set`."""

    directory: ManagedDirectory
    outcome: dict[str, Any]

    @property
    def found(self) -> Facts:
        """Return the files of the node whose names match the patterns."""
        found: Facts = self.outcome.get("found", self.directory.wanted)
        return found

    @property
    def preconditions(self) -> dict[str, Any]:
        """Return the compared state. The engine changes nothing if the directory has another state then."""
        return {"directory": self.directory.path, "patterns": self.directory.patterns, "sha256": self.outcome["seen"]}


def update_set(
    directory: ManagedDirectory, entries: list[dict[str, Any]], preconditions: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Return the file set that changes what differs. :param preconditions: of :class:`Compared`."""
    created = [{"path": path, "state": "directory", "initial_mode": "0755"} for path in directory.created]
    return {
        "name": directory.name,
        "directory": directory.path,
        "entries": created + entries,
        "preconditions": preconditions or [],
    }


def raise_failure(outcomes: list[dict[str, Any]]) -> None:
    """Raise an error if a set failed.

    :raises GridSecurityError: with the messages of all failed sets, and the error code of the first of them.
    """
    failed = [outcome for outcome in outcomes if outcome.get("failed")]
    if failed:
        messages = [f"{outcome['name']}: {outcome['msg']}" for outcome in failed]
        raise GridSecurityError(failed[0]["error_code"], "\n".join(messages))
