# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect wrong definitions of VOs. The files of these VOs stay on the node as they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Mistakes"]


@dataclass
class Mistakes:
    """The wrong definitions of a task.

    :param messages: one for each wrong definition. :param kept: the VOs that are not removed.
    :param has_nameless: whether there is a wrong definition whose VO is not known.
    :param of_import: the reason why no VO could be imported.
    """

    messages: list[str] = field(default_factory=list)
    kept: set[str] = field(default_factory=set)
    has_nameless: bool = False
    of_import: str = ""

    def add(self, message: str, names: Iterable[str]) -> None:
        """Note a wrong definition. :param names: its VOs; empty if they are not known."""
        known = list(names)
        self.messages.append(message)
        self.kept.update(known)
        self.has_nameless = self.has_nameless or not known

    @property
    def error_code(self) -> str:
        """The error code of the task; empty if there is no mistake."""
        if self.messages:
            return "bad_vo"
        return "bad_import" if self.of_import else ""

    @property
    def all_messages(self) -> list[str]:
        """The messages about definitions and about the import."""
        return [*self.messages, *([self.of_import] if self.of_import else [])]

    @property
    def cause_to_keep_all(self) -> str:
        """The reason why no VO may be removed; empty if there is no such reason."""
        if self.of_import:
            return "the import failed, and it may name them"
        return "an item of vos has no name that could be read, and it may be one of them" if self.has_nameless else ""
