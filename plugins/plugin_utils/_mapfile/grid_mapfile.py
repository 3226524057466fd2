# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the grid-mapfile of a node from the provisioned credentials and from entries of the site.

A credential or entry that fails does not stop the others. Its account keeps the present mapping.
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._credential import task_options
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import gridmap, mapfile_lines, mapfile_report
from ansible_collections.grid.security.plugins.plugin_utils._mapfile.mapfile_lines import Lines, Source
from ansible_collections.grid.security.plugins.plugin_utils._trust import trusted_cas

__all__ = ["OPTIONS", "place"]

OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "default": "/etc/grid-security/grid-mapfile"},
    "mode": {"type": "raw", "default": "0644"},
    "credentials": {"type": "list", "elements": "raw", "default": []},
    "entries": {"type": "list", "elements": "raw", "default": []},
    "allow_empty": {"type": "bool", "default": False},
    **trusted_cas.OPTIONS,
}


def place(action: GridAction, arguments: dict[str, Any]) -> Exchange:
    """Return the exchange that makes the grid-mapfile."""
    return _GridMapfile(action, arguments)


class _GridMapfile(Exchange):
    """Compare the file by its digest, and replace it if it differs.

    Other exchanges of the same batch may review credentials after the second call only, for example if they create
    accounts. Then the file is written in a call of its own, when all credentials have been reviewed.
    """

    def __init__(self, action: GridAction, arguments: dict[str, Any]) -> None:
        self._action = action
        self._options = validated(OPTIONS, arguments, module="grid_mapfile")
        self._sources: list[Source] = []
        self._is_final = False

    def request(self) -> Request:
        self._items = self._read_credentials()
        known = [options for options in self._items if not options.remote_src]
        self._sources += mapfile_lines.of_credentials(self._action, known)
        self._sources += map(mapfile_lines.of_entry, self._options["entries"])
        self._lines = mapfile_lines.compose(self._sources)
        return self._file_set(self._lines.text, with_content=False)

    def supply(self, outcomes: Outcomes) -> Request:
        self._outcome = _checked(outcomes)
        return Request([]) if self._action.register.unreviewed else self._changes()

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        if not self._is_final:
            changes = self._changes()
            outcomes = send(changes.sets, changes.contents) if changes.sets else []
        if outcomes:
            self._outcome = _checked(outcomes)
        return mapfile_report.result(self._outcome, self._lines, self._present or "", self._items)

    def _read_credentials(self) -> list[CredentialOptions]:
        shared = {name: self._options[name] for name in trusted_cas.OPTIONS}
        given = task_options.read_options({**shared, "credentials": self._options["credentials"]})
        return [options for options in given if options.state == "present"]

    def _changes(self) -> Request:
        """Return the request that writes the final file. Reviews may have refused credentials since :meth:`request`."""
        self._is_final = True
        first, path = self._lines.text, self._options["path"]
        self._present = _present(self._outcome, path, first)
        self._lines = mapfile_lines.compose(self._sources)
        if self._lines.failures:
            self._lines = mapfile_lines.compose(self._sources, gridmap.read(_readable(self._present, path)))
        _refuse_empty(self._lines, self._options)
        if not self._outcome["changed"] and self._lines.text == first:
            return Request([])
        return self._file_set(self._lines.text, with_content=True)

    def _file_set(self, text: str, with_content: bool) -> Request:
        data = text.encode()
        digest = hashlib.sha256(data).hexdigest()
        path, mode = self._options["path"], self._options["mode"]
        entries: list[dict[str, Any]] = [
            {"path": os.path.dirname(path), "state": "directory", "initial_mode": "0755"},
            {"path": path, "state": "file", "mode": mode, "sha256": digest, "size": len(data), "recall": True},
        ]
        contents = {digest: base64.b64encode(data).decode()} if with_content else {}
        return Request([{"name": "grid-mapfile", "entries": entries}], contents)


def _checked(outcomes: Outcomes) -> dict[str, Any]:
    (outcome,) = outcomes
    if outcome.get("failed"):
        raise GridSecurityError(outcome["error_code"], outcome["msg"])
    return outcome


def _present(outcome: dict[str, Any], path: str, text: str) -> str | None:
    """Return the present file; None if it cannot be read. :param text: the text that the node compared with it."""
    if not outcome.get("needs"):
        return text
    changes = {entry["path"]: entry["changes"] for entry in outcome["entries"]}
    if "created" in changes.get(path, []):
        return ""
    stored = next(iter(outcome.get("stored", {}).values()), None)
    return None if stored is None else base64.b64decode(stored).decode(errors="replace")


def _readable(text: str | None, path: str) -> str:
    if text is None:
        raise GridSecurityError(
            "unreadable_mapfile",
            f"{path} is no plain file of this user, or larger than 16 MiB, or holds a private key. Look at it, and move"
            " it away.",
        )
    return text


def _refuse_empty(lines: Lines, options: dict[str, Any]) -> None:
    if lines.text or options["allow_empty"]:
        return
    causes = [f"- {failure.error.message}" for failure in lines.failures]
    remedy = "Give credentials or entries; if that is intended, set allow_empty: true."
    message = f"{options['path']} would map nobody at all. {remedy}"
    raise GridSecurityError("empty_mapfile", "\n".join([message, *causes]))
