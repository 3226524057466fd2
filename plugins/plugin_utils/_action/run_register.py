# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep facts about the owners of credentials for the other tasks of the run.

Another task may have Bob's archive under Dave's name. One task may refuse an archive, and another task on another node
may write the grid-mapfile.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register
from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache

__all__ = ["load", "save"]

_REFUSED = [b"refused credentials"]


def load(host: str) -> Register:
    """Return the register of earlier tasks: owners of credentials of ``host``, and certificates that nodes refused."""
    owners = run_cache.recall(_owners(host), wait=True) or {}
    refused = run_cache.recall(_REFUSED, wait=True) or {}
    elsewhere = [certificate for node, found in refused.items() if node != host for certificate in found]
    return Register(owners, refused.get(host, ()), elsewhere)


def save(host: str, register: Register) -> None:
    """Keep the register for later tasks."""
    run_cache.update(_owners(host), lambda _known: register.owners)
    run_cache.update(_REFUSED, lambda known: _with(known, host, register))


def _owners(host: str) -> list[bytes]:
    return [b"owners of credentials", host.encode()]


def _with(known: dict[str, Any], host: str, register: Register) -> dict[str, Any]:
    others = {node: found for node, found in known.items() if node != host}
    return {**others, host: sorted(map(list, register.refused_here))} if register.refused_here else others
