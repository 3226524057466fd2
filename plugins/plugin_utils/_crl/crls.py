# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place the CRLs of the CAs that the sources have on a node. The controller fetches them.

A present CRL is replaced only by a newer CRL that is good. An old CRL is better than no CRL until it expires. Clients
refuse all certificates of a CA with an expired CRL. The user decides whether expired CRLs are removed.

The files are compared by one digest. A node with other files sends the facts of its CRLs, not their contents.
"""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters
from ansible_collections.grid.security.plugins.plugin_utils._action import managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_decisions, crl_fetching, crl_report
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_decisions import CrlDecision
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_fetching import FetchedCrl
from ansible_collections.grid.security.plugins.plugin_utils._trust import source_options

__all__ = ["OPTIONS", "place", "read_options"]

OPTIONS: dict[str, dict[str, Any]] = {
    **source_options.SOURCES,
    "exclude": {"type": "list", "elements": "raw", "default": []},
    "timeout": {"type": "float", "default": 30},
    "parallelism": {"type": "int", "default": 10},
    "http_proxy": {"type": "str"},
    "validate_certs": {"type": "bool", "default": True},
    "allow_older": {"type": "bool", "default": False},
    "remove_expired": {"type": "bool", "default": False},
    "required": {"type": "bool", "default": False},
}


def place(action: GridAction, arguments: dict[str, Any]) -> Exchange:
    """Return the exchange that places the CRLs."""
    return _Crls(action, arguments)


class _Crls(Exchange):
    """Fetch all CRLs, compare the files of these CRLs by one digest, and replace the files that are older."""

    def __init__(self, action: GridAction, arguments: dict[str, Any]) -> None:
        self._action, self._arguments = action, arguments
        self._decisions: list[CrlDecision] = []

    def request(self) -> Request:
        self._options = read_options(self._arguments)
        self._fetched, self._warnings = crl_fetching.fetch_all(self._action, self._options)
        self._directory = _directory(self._options["path"], self._fetched)
        return Request([self._directory.compare_set] if self._fetched else [])

    def supply(self, outcomes: Outcomes) -> Request:
        managed_directory.raise_failure(outcomes)
        found = Compared(self._directory, outcomes[0]).found if outcomes else {}
        self._decisions = [crl_decisions.decide(fetched, found, self._options) for fetched in self._fetched]
        return Request([]) if self._action.check_mode else self._changes()

    def _changes(self) -> Request:
        changed = [(decision, file) for decision in self._decisions for file in decision.changed_files]
        if not changed:
            return Request([])
        written = [decision.fetched for decision, file in changed if file.after]
        contents = {fetched.sha256: crl_fetching.content(fetched, self._options) for fetched in written}
        return Request(
            [managed_directory.update_set(self._directory, [file.entry for _decision, file in changed])], contents
        )

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        managed_directory.raise_failure(outcomes)
        report = crl_report.result(self._decisions, self._options, self._action.diff)
        return {**report, "warnings": [*self._warnings, *report["warnings"]]}


def read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the complete options, with each source as a dictionary.

    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    :raises GridSecurityError: ``bad_exclusion``.
    """
    options = validated(OPTIONS, arguments, module="crls")
    options["sources"] = source_options.read_sources(options["sources"])
    options["exclude"] = [exclusion.pattern for exclusion in anchor_filters.read_exclusions(options["exclude"])]
    if not options["sources"]:
        raise AnsibleActionFail("sources is empty. Name the sources of the trust anchors, as for trust_anchors.")
    if not os.path.isabs(options["path"]):
        raise AnsibleActionFail(f"path: {options['path']} must be an absolute path of the node.")
    for name in ("timeout", "parallelism"):
        if options[name] <= 0:
            raise AnsibleActionFail(f"{name}: {options[name]} must be greater than 0.")
    return options


def _directory(path: str, announced: list[FetchedCrl]) -> ManagedDirectory:
    """Return the directory with the files of all announced CRLs.

    Files of CRLs that could not be fetched match the patterns, too. So the node reports the present ones.
    """
    wanted = {name: fetched.facts for fetched in announced if fetched.facts for name in fetched.point.files}
    names = [name for fetched in announced for name in fetched.point.files]
    return ManagedDirectory("CRLs", path, names, wanted, ["..", "."])
