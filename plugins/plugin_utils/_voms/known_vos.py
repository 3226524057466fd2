# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up VOs by name, and warn of servers that no longer work.

The servers are in ``known_vos.json``. For each VO, that file has the source of its servers (``source``) and the date of
that source (``date``). It has only servers with a CA that was in the IGTF's release of that date.
"""

from __future__ import annotations

import difflib
import functools
import json
from pathlib import Path

from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Server, Vo

__all__ = ["closest", "find", "names", "warnings"]

_FILE = Path(__file__).with_name("known_vos.json")
_DEAD = ".app.cern.ch"  # since March 2025


@functools.cache
def _known() -> dict[str, Vo]:
    described = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: Vo(name, [Server(**server, alias=name) for server in vo["servers"]]) for name, vo in described.items()
    }


def names() -> list[str]:
    """Return the names of the known VOs."""
    return list(_known())


def find(name: str) -> Vo | None:
    """Return the known VO with this name, or None."""
    return _known().get(name)


def closest(name: str) -> str:
    """Return the known names that resemble ``name`` as text, or all known names if none resembles it."""
    similar = difflib.get_close_matches(name.lower(), names())
    return f"Similar names: {listed(similar)}" if similar else f"Known names: {listed(names())}"


def warnings(vos: list[Vo]) -> list[str]:
    """Return a line for each server that is known not to work."""
    return [
        f"{vo.name}: its server {server.host} does not work. Names in {_DEAD} have not worked since March 2025. Use"
        f" voms-VO-auth.cern.ch instead."
        for vo in vos
        for server in vo.servers
        if server.host.lower().endswith(_DEAD)
    ]
