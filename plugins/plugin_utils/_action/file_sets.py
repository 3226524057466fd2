# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge the file sets of a task. Digests are compared first. Contents are sent only for files that differ."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.module_utils._files.set_options import SET, TIMEOUT
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated

__all__ = ["OPTIONS", "place"]

OPTIONS: dict[str, dict[str, Any]] = {
    "sets": {"type": "list", "elements": "dict", "required": True, "options": SET},
    "timeout": {"type": "float", "default": TIMEOUT},
}


def place(action: GridAction) -> Exchange:
    """Return the exchange that converges the sets of the task."""
    return _FileSets(action)


class _FileSets(Exchange):
    """Compare all sets by digests, and send contents only for the sets that differ."""

    def __init__(self, action: GridAction) -> None:
        self._action = action
        self._contents: dict[str, str] = {}
        self._outcomes: Outcomes = []
        self._pending: list[int] = []

    def request(self) -> Request:
        options = validated(OPTIONS, self._action.arguments, module="file_set")
        self._action.engine_options = {"timeout": options["timeout"]}
        self._sets = [self._with_digests(given) for given in options["sets"]]
        return Request(self._sets)

    def supply(self, outcomes: Outcomes) -> Request:
        self._outcomes = outcomes
        if self._action.check_mode and not self._action.diff:
            return Request([])
        self._pending = [number for number, outcome in enumerate(outcomes) if outcome.get("needs")]
        needed = [digest for number in self._pending for digest in outcomes[number]["needs"]]
        contents = {digest: self._contents[digest] for digest in needed}
        return Request([self._sets[number] for number in self._pending], contents)

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        changed = dict(zip(self._pending, outcomes))
        return _result([changed.get(number, outcome) for number, outcome in enumerate(self._outcomes)])

    def _with_digests(self, given: dict[str, Any]) -> dict[str, Any]:
        return {**given, "entries": [self._with_digest(entry) for entry in given["entries"]]}

    def _with_digest(self, entry: dict[str, Any]) -> dict[str, Any]:
        """Return the entry with a digest in place of its content."""
        if entry.get("state", "file") != "file":
            return entry
        rest = {name: value for name, value in entry.items() if name not in ("content", "src")}
        content = self._action.read(entry["src"]) if entry.get("src") else str(entry.get("content") or "").encode()
        digest = hashlib.sha256(content).hexdigest()
        self._contents[digest] = base64.b64encode(content).decode()
        return {**rest, "sha256": digest, "size": len(content)}


def _result(outcomes: Outcomes) -> dict[str, Any]:
    result: dict[str, Any] = {"changed": any(outcome["changed"] for outcome in outcomes), "sets": outcomes}
    diff = [part for outcome in outcomes for part in outcome.pop("diff", [])]
    if diff:
        result["diff"] = diff
    failures = [f"{outcome['name']}: {outcome['msg']}" for outcome in outcomes if outcome.get("failed")]
    if failures:
        result.update(failed=True, msg="\n".join(failures))
    return result
