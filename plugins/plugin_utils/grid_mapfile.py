# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid-mapfile of a node: from the credentials that are provisioned, and from lines of the site's own."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils import gridmap
from ansible_collections.grid.security.plugins.module_utils.conversation import Conversation
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import credentials, file_sets, trusted_cas
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction, validated

__all__ = ["place"]

OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "default": "/etc/grid-security/grid-mapfile"},
    "mode": {"type": "raw", "default": "0644"},
    "credentials": {"type": "list", "elements": "dict", "default": []},
    "entries": {"type": "list", "elements": "raw", "default": []},
    "allow_empty": {"type": "bool", "default": False},
    **trusted_cas.OPTIONS,
}


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Make the file what credentials and entries say, and return the result."""
    options = validated(OPTIONS, arguments)
    believed = {name: options[name] for name in trusted_cas.OPTIONS}
    items = credentials.read_options({**believed, "credentials": options["credentials"]})
    warnings = [_unknown(one) for one in items if one["remote_src"] and one["state"] == "present"]
    text = gridmap.render([*_of_credentials(action, items), *map(_of_entry, options["entries"])])
    if not text and not options["allow_empty"]:
        raise GridSecurityError(
            "empty_mapfile",
            f"{options['path']} would map nobody at all. Give credentials or entries; if that is intended, say"
            " allow_empty: true.",
        )
    entries = [
        {"path": os.path.dirname(options["path"]), "state": "directory", "initial_mode": "0755"},
        {"path": options["path"], "state": "file", "mode": options["mode"], "content": text},
    ]
    (outcome,) = yield from file_sets.converge(action, [{"name": "grid-mapfile", "entries": entries}])
    if outcome.get("failed"):
        raise GridSecurityError(outcome["kind"], outcome["msg"])
    result = {"changed": outcome["changed"], "lines": text.splitlines(), "warnings": warnings}
    return {**result, "diff": outcome["diff"]} if outcome.get("diff") else result


def _of_credentials(action: GridAction, items: list[dict[str, Any]]) -> list[gridmap.Mapping]:
    """All must be readable: the file must not lose a user because an archive cannot be opened today."""
    chosen = [one for one in items if one["state"] == "present" and not one["remote_src"]]
    for one in chosen:
        if not one["owner"]:
            raise AnsibleActionFail("credentials: an item without owner maps nobody. Give owner, or leave it out.")
    facts = credentials.facts(action, chosen)
    return [gridmap.validated(about["subject_dn"], [one["owner"]]) for about, one in zip(facts, chosen)]


def _of_entry(entry: Any) -> gridmap.Mapping:
    if isinstance(entry, str):
        return gridmap.parse(entry)
    if not isinstance(entry, dict) or set(entry) != {"dn", "account"}:
        raise AnsibleActionFail("entries: an item is a line of a grid-mapfile, or has dn and account.")
    account = entry["account"]
    return gridmap.validated(entry["dn"], account if isinstance(account, list) else [account])


def _unknown(options: dict[str, Any]) -> str:
    return (
        f"grid-mapfile: the archive of {options['owner']} lies on nodes, so its subject is not known here. Give the"
        " line in entries."
    )
