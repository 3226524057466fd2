# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets of files as a user writes them: digests travel first, contents only for what differs."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.module_utils._files.set_options import SET, TIMEOUT
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated

__all__ = ["OPTIONS", "converge", "place"]

OPTIONS: dict[str, dict[str, Any]] = {
    "sets": {"type": "list", "elements": "dict", "required": True, "options": SET},
    "timeout": {"type": "float", "default": TIMEOUT},
}


def place(action: GridAction) -> Conversation:
    """Converge the sets of the task and return its result."""
    options = validated(OPTIONS, action.arguments, module="file_set")
    action.engine_options = {"timeout": options["timeout"]}
    outcomes = yield from converge(action, options["sets"])
    return _result(outcomes)


def converge(action: GridAction, given: list[dict[str, Any]]) -> Conversation:
    """Converge sets whose file entries carry ``content`` or ``src``, and return their outcomes."""
    contents: dict[str, str] = {}
    sets = [{**one, "entries": [_digest(action, entry, contents) for entry in one["entries"]]} for one in given]
    outcomes = yield Request(sets)
    pending = [index for index, outcome in enumerate(outcomes) if outcome.get("needs")]
    if pending and (action.diff or not action.check_mode):
        needed = {digest: contents[digest] for index in pending for digest in outcomes[index]["needs"]}
        for index, outcome in zip(pending, (yield Request([sets[index] for index in pending], needed))):
            outcomes[index] = outcome
    return outcomes


def _digest(action: GridAction, entry: dict[str, Any], contents: dict[str, str]) -> dict[str, Any]:
    """The entry with a digest in place of its content, which goes to ``contents``."""
    if entry.get("state", "file") != "file":
        return entry
    rest = {name: value for name, value in entry.items() if name not in ("content", "src")}
    content = action.read(entry["src"]) if entry.get("src") else str(entry.get("content") or "").encode()
    digest = hashlib.sha256(content).hexdigest()
    contents[digest] = base64.b64encode(content).decode()
    return {**rest, "sha256": digest, "size": len(content)}


def _result(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {"changed": any(one["changed"] for one in outcomes), "sets": outcomes}
    diff = [part for one in outcomes for part in one.pop("diff", [])]
    if diff:
        result["diff"] = diff
    failures = [f"{one['name']}: {one['msg']}" for one in outcomes if one.get("failed")]
    if failures:
        result.update(failed=True, msg="\n".join(failures))
    return result
