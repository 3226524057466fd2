# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Grid clients take ``~/.globus/certificates`` in place of the site's trust directory, without a word."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils import manifest

__all__ = ["compare_sets", "warnings"]

_NAME = "certificates"


def compare_sets(accounts: list[str]) -> list[dict[str, Any]]:
    """A set for each account that looks, with that account's rights, whether there is such a directory."""
    expected = {"patterns": [_NAME], "sha256": manifest.digest({})}
    return [
        {"name": account, "owner": account, "directory": f"~{account}/.globus", "entries": [], "manifest": expected}
        for account in accounts
    ]


def warnings(outcomes: list[dict[str, Any]], path: str) -> list[str]:
    """One line for all who have one. :param path: the trust directory that their clients do not see."""
    having = [one["name"] for one in outcomes if _NAME in one.get("found", {})]
    if not having:
        return []
    return [
        f"~/.globus/{_NAME} shadows {path} for: {', '.join(having)}. Their clients trust what lies there; ask them to"
        " remove it."
    ]
