# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out the files of VOs on a node, and read the present files.

A VOMS client reads every file, whatever its name. Packages and sites name vomses files after the VO, after the server,
or in another way. So the entries in a file decide which VOs it is about.
"""

from __future__ import annotations

import base64
import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import leftovers
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._voms import vomses
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Vo

__all__ = ["LSC", "content_of", "found", "is_read", "lines_of", "lsc_directory", "vomses_directory"]

LSC = ".lsc"


def vomses_directory(vos: list[Vo], path: str) -> ManagedDirectory:
    """Return the directory of vomses files, with a file for each VO that has servers."""
    wanted = {vo.name: file_facts.of_file(vo.vomses.encode()) for vo in vos if vo.servers}
    return ManagedDirectory("vomses", path, ["*"], wanted, ["..", "."], observe=True)


def lsc_directory(vo: Vo, vomsdir_path: str) -> ManagedDirectory:
    """Return the directory of a VO's LSC files."""
    wanted = {f"{server.host}{LSC}": file_facts.of_file(server.lsc.encode()) for server in vo.servers}
    path = os.path.join(vomsdir_path, vo.name)
    return ManagedDirectory(f"LSC files of {vo.name}", path, ["*"], wanted, ["../..", "..", "."], observe=True)


def found(compared: Compared) -> Facts:
    """Return the present files, with contents as far as they are known.

    The engine leaves out contents that not everybody may read. A wanted file is recognized by its digest.
    """
    wanted = {facts["sha256"]: facts["content"] for facts in compared.directory.wanted.values()}
    return {
        name: {**facts, "content": facts.get("content", wanted.get(facts.get("sha256")))}
        for name, facts in compared.found.items()
    }


def content_of(facts: dict[str, Any] | None) -> bytes:
    """Return the content of a file, from its facts; empty if the content is not known."""
    return base64.b64decode((facts or {}).get("content") or "")


def lines_of(facts: dict[str, Any] | None) -> list[vomses.Line]:
    """Return the lines of a vomses file, from its facts."""
    return vomses.lines(content_of(facts))


def is_read(name: str, facts: dict[str, Any]) -> bool:
    """Return whether a client reads this file of an LSC directory.

    Java clients select files by name. C++ clients try every certificate.
    """
    if facts["kind"] == "directory":
        return False
    return name.endswith((LSC, ".pem")) or bool(facts.get("certificate")) or leftovers.is_leftover(name)
