# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VOs that every site of WLCG knows, and names of servers that no longer answer.

Source: WLCG's vomses and LSC files as published in May 2025 (https://twiki.cern.ch/twiki/bin/view/LCG/VOMSLSCfileConfiguration),
seen again in November 2026.
"""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils.vomses import Server, Vo

__all__ = ["VOS", "warnings"]

_CA = "/DC=ch/DC=cern/CN=CERN Grid Certification Authority"
_NAMES = ("alice", "atlas", "cms", "dteam", "lhcb")
_DEAD = ".app.cern.ch"  # since March 2025

VOS = {
    name: Vo(
        name,
        [Server(f"voms-{name}-auth.cern.ch", 443, f"/DC=ch/DC=cern/OU=computers/CN={name}-auth.cern.ch", _CA, name)],
    )
    for name in _NAMES
}


def warnings(vos: list[Vo]) -> list[str]:
    """A line for each server that is known not to answer."""
    return [
        f"{vo.name}: {server.host} is given as a server, but names in {_DEAD} have not worked since March 2025. Use"
        f" voms-VO-auth.cern.ch instead."
        for vo in vos
        for server in vo.servers
        if server.host.lower().endswith(_DEAD)
    ]
