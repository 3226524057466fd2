# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create missing accounts by ``ansible.builtin.user``, after the engine has reported that they are missing."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction

__all__ = ["create", "is_missing"]


def is_missing(options: dict[str, Any], result: dict[str, Any]) -> bool:
    """Return whether a credential failed because its account is missing, and the account may be created."""
    return bool(options["create_account"]) and result.get("error_code") == "no_account"


def create(action: GridAction, options: dict[str, Any]) -> str | None:
    """Create the account of a credential. In check mode, only check whether that would work.

    :returns: the error message, or None.
    """
    owner = options["owner"]
    arguments = {"name": owner, "shell": options["account_shell"], "group": options["account_group"]}
    if options["account_base_dir"]:
        arguments["home"] = os.path.join(options["account_base_dir"], owner)
    arguments = {name: value for name, value in arguments.items() if value is not None}
    result = action.execute("ansible.builtin.user", arguments)
    if not result.get("failed"):
        return None
    return f"the account {owner!r} cannot be created: {result.get('msg', 'ansible.builtin.user gave no reason')}"
