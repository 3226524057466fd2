# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which files may be removed from a trust directory: typical files of a CA, and no private keys.

The path of the directory may be a mistake: ``/etc/grid-security`` holds ``hostcert.pem`` and ``hostkey.pem``.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._files import leftovers
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts

__all__ = ["is_removable", "warning"]

_COMPANIONS = ("signing_policy", "namespaces", "crl_url")  # of a CA's certificate; no other programs use these endings


def is_removable(name: str, found: Facts) -> bool:
    """Return whether the file ``name`` may be removed. :param found: the files of the directory that a scan found."""
    facts = found[name]
    if facts["kind"] == "directory" or facts.get("private_key"):
        return False
    stem, _dot, ending = name.rpartition(".")
    if leftovers.is_leftover(name) or ending not in ("pem", "info"):
        return True
    if any(f"{stem}.{companion}" in found for companion in _COMPANIONS):
        return True
    return _is_ca(facts) if ending == "pem" else _is_ca(found.get(f"{stem}.pem", {}))


def _is_ca(facts: dict[str, Any]) -> bool:
    """Return whether a file holds the certificate of a CA, or is a dangling link."""
    return bool(facts.get("ca") or facts.get("dangling"))


def warning(directory: str, left: list[str]) -> list[str]:
    """Return a line that names the files ``left`` in a directory although no source has them; none without files."""
    if not left:
        return []
    return [
        f"{directory}: not removed are {listed(left)}, because they hold a private key or are no"
        " files of a trust directory. Check path. If it is right, move these files to another directory."
    ]
