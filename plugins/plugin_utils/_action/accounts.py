# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create accounts that a node lacks, by ``ansible.builtin.user``."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction

__all__ = ["create", "is_missing", "result"]


def is_missing(options: CredentialOptions, result: dict[str, Any]) -> bool:
    """Return whether a credential failed because of a missing account that may be created."""
    return bool(options.create_account) and result.get("error_code") == "no_account"


def create(action: GridAction, options: CredentialOptions) -> str | None:
    """Create the account of one credential. In check mode, find out whether the account can be created.

    :returns: the cause of a failure, or None.
    """
    owner = options.owner or ""
    arguments = {"name": owner, "shell": options.account_shell, "group": options.account_group}
    if options.account_base_dir:
        arguments["home"] = os.path.join(options.account_base_dir, owner)
    arguments = {name: value for name, value in arguments.items() if value is not None}
    result = action.execute("ansible.builtin.user", arguments)
    if not result.get("failed"):
        return None
    return f"the account {owner!r} cannot be created: {result.get('msg', 'ansible.builtin.user gave no reason')}"


def result(
    options: CredentialOptions, before: dict[str, Any], after: dict[str, Any] | None, failure: str | None, check: bool
) -> dict[str, Any]:
    """Return the result of a credential whose account was missing.

    :param before: the result without the account. :param after: the result with it; None in check mode.
    :param failure: as of :func:`create`.
    """
    if failure is not None:
        return {**before, "msg": f"{options.label}: {failure}"}
    if after is None:
        after = {name: value for name, value in before.items() if name not in ("failed", "error_code", "msg")}
    account = f"account {'missing' if check else 'created'}"
    changes = [account, *after.get("changes", [])]
    differences = [f"{options.owner}: {account}", *after.get("differences", [])]
    return {**after, "changed": True, "changes": changes, "differences": differences}
