# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find accounts with a directory ``~/.globus/certificates``.

Grid clients use that directory in place of the site's trust directory, without a message.
"""

from __future__ import annotations

from typing import Any

__all__ = ["compare_sets", "warnings"]

_NAME = "certificates"


def compare_sets(accounts: list[str]) -> list[dict[str, Any]]:
    """Return a set for each account. The engine looks for the directory with the rights of that account."""
    return [
        {
            "name": account,
            "owner": account,
            "directory": f"~{account}/.globus",
            "entries": [],
            "exists": {"path": _NAME},
        }
        for account in accounts
    ]


def warnings(outcomes: list[dict[str, Any]], path: str) -> list[str]:
    """Return a line about all accounts with such a directory, and a line about all accounts whose look-up failed.

    :param path: the trust directory of the site.
    """
    lines = []
    having = [outcome["name"] for outcome in outcomes if outcome.get("exists")]
    if having:
        lines.append(
            f"~/.globus/{_NAME} shadows {path} for: {', '.join(having)}. Their clients trust the CAs in that directory."
            " Ask the users to remove it."
        )
    failed = [outcome for outcome in outcomes if outcome.get("failed")]
    if failed:
        names = ", ".join(outcome["name"] for outcome in failed)
        lines.append(
            f"whether ~/.globus/{_NAME} shadows {path} is not known for: {names}. The look-up for"
            f" {failed[0]['name']} failed: {failed[0]['msg']}"
        )
    return lines
