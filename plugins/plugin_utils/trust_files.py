# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files may be removed from a trust directory: files that only a trust directory has, and no private keys.

The path may be a mistake: ``/etc/grid-security`` holds ``hostcert.pem`` and ``hostkey.pem``.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils import leftovers
from ansible_collections.grid.security.plugins.plugin_utils.places import Facts

__all__ = ["is_removable", "warning"]

_COMPANIONS = ("signing_policy", "namespaces", "crl_url")  # of a CA's certificate; nothing else is called so
_MOST_NAMED = 10  # files in a warning


def is_removable(name: str, found: Facts) -> bool:
    """Whether the file ``name`` of a directory may be removed. :param found: all its files of interest, as a scan has
    them.
    """
    facts = found[name]
    if facts["kind"] == "directory" or facts.get("private_key"):
        return False
    stem, _dot, ending = name.rpartition(".")
    if leftovers.is_leftover(name) or ending not in ("pem", "info"):
        return True
    if any(f"{stem}.{companion}" in found for companion in _COMPANIONS):
        return True
    return _is_authority(facts) if ending == "pem" else _is_authority(found.get(f"{stem}.pem", {}))


def _is_authority(facts: dict[str, Any]) -> bool:
    """Whether a file holds the certificate of a CA, or is a link to nothing, which is of no use to anybody."""
    return bool(facts.get("ca") or facts.get("dangling"))


def warning(directory: str, left: list[str]) -> list[str]:
    """What stays in a directory although no source has it; no line if there is nothing."""
    if not left:
        return []
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    return [
        f"{directory}: not removed are {', '.join(left[:_MOST_NAMED])}{more}, because they hold a private key or are no"
        " files of a trust directory. Look whether path is right. If it is, move these files elsewhere."
    ]
