# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the trust directory of a node, and the copies for other programs, from the sources of a task."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.plugin_utils._action import (
    managed_directory,
    persistent_cache,
    run_cache,
)
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    shadows,
    source_options,
    source_stamps,
    system_store,
    trust_report,
    trust_store,
)

__all__ = ["OPTIONS", "place", "read_options"]

OPTIONS: dict[str, dict[str, Any]] = {
    **source_options.SOURCES,
    "exclude": {"type": "list", "elements": "str", "default": []},
    "purge": {"type": "bool", "default": True},
    "allow_shrink": {"type": "bool", "default": False},
    "bundle_path": {"type": "str"},
    "java_truststore_path": {"type": "str"},
    "system_store": {"type": "bool", "default": False},
    "accounts": {"type": "list", "elements": "str", "default": []},
}


def place(action: GridAction, arguments: dict[str, Any]) -> Exchange:
    """Return the exchange that makes the trust directory and its copies."""
    return _TrustAnchors(action, arguments)


class _TrustAnchors(Exchange):
    """Compare each directory by one digest. The sources are read only if a directory differs."""

    def __init__(self, action: GridAction, arguments: dict[str, Any]) -> None:
        self._action, self._arguments = action, arguments
        self._warnings: list[str] = []
        self._updates: list[trust_store.Update] = []

    def request(self) -> Request:
        self._options = read_options(self._arguments)
        self._family = system_store.detect(self._action) if self._options["system_store"] else None
        self._rendering = _Rendering(self._action, self._options, self._family)
        self._summary = self._rendering.summary()
        return Request([*self._summary["sets"], *shadows.compare_sets(self._options["accounts"])])

    def supply(self, outcomes: Outcomes) -> Request:
        number = len(self._summary["sets"])
        compared, accounts = outcomes[:number], outcomes[number:]
        self._warnings = self._summary["warnings"] + shadows.warnings(accounts, self._options["path"])
        managed_directory.raise_failure(compared)
        if not self._summary["anchors"] or any(outcome["changed"] for outcome in compared):
            self._find_updates(compared)
        return Request([]) if self._action.check_mode else self._changes()

    def _find_updates(self, compared: Outcomes) -> None:
        purge = self._options["purge"]
        directories = self._rendering.directories()
        self._updates = [trust_store.update(*pair, purge=purge) for pair in zip(directories, compared)]
        if not self._options["allow_shrink"]:
            trust_store.refuse_shrinking(self._updates[0].directory.wanted, self._updates[0].found)
        self._warnings += trust_store.warnings(self._updates)

    def _changes(self) -> Request:
        needed = [update for update in self._updates if update.is_needed]
        contents = {digest: content for update in needed for digest, content in update.contents.items()}
        return Request([update.file_set for update in needed], contents)

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        managed_directory.raise_failure(outcomes)
        if not self._action.check_mode:
            self._refresh_system_store(send)
        if not self._updates:
            return trust_report.unchanged(self._warnings)
        return trust_report.result(self._updates, self._warnings, self._action.diff)

    def _refresh_system_store(self, send: Send) -> None:
        for update in self._updates:
            if self._family and update.is_needed and update.directory.name == system_store.NAME:
                system_store.refresh(self._action, self._family, update.directory, update.found, send)


def read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the complete options, with each source as a dictionary.

    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    """
    options = validated(OPTIONS, arguments, module="trust_anchors")
    options["sources"] = source_options.read_sources(options["sources"])
    _check_paths(options)
    return options


def _check_paths(options: dict[str, Any]) -> None:
    taken: dict[str, str] = {}
    for name in ("path", "bundle_path", "java_truststore_path"):
        path = options[name] and os.path.normpath(options[name])
        if path and not os.path.isabs(path):
            raise AnsibleActionFail(f"{name}: {path} must be an absolute path of the node.")
        if path and (path in taken or os.path.dirname(path) == os.path.normpath(options["path"])):
            raise AnsibleActionFail(
                f"{name}: {path} is the value of {taken.get(path, 'path')} or lies directly in it, where it would be"
                " taken for a trust anchor or overwritten. Set another path."
            )
        taken[path] = name


class _Rendering:
    """The directories that the sources lead to.

    The summary is kept across runs, until the sources change. The directories are rendered once per run, and only if a
    node differs.

    :param family: as of :func:`system_store.detect`, if the system's trust store should have the CAs, too.
    """

    def __init__(self, action: GridAction, options: dict[str, Any], family: str | None) -> None:
        self._action, self._options, self._family = action, options, family
        self._stamp = source_stamps.take(action, options["sources"])
        self._key = json.dumps([self._stamp.anchors, options, family]).encode()

    def summary(self) -> dict[str, Any]:
        """Return the ``sets`` that compare each directory, ``warnings``, and the number of ``anchors``.

        :raises GridSecurityError: as :func:`anchor_rendering.render`.
        """
        return run_cache.memoize([b"summary", self._key], self._known_summary)

    def directories(self) -> list[ManagedDirectory]:
        """Return the directories, with the trust directory first.

        :raises GridSecurityError: as :func:`anchor_rendering.render`.
        """
        return [ManagedDirectory(**described) for described in self._rendered()["directories"]]

    def _known_summary(self) -> dict[str, Any]:
        about = hashlib.sha256(json.dumps([self._options, self._family]).encode()).hexdigest()
        entry = persistent_cache.Entry(persistent_cache.Subject(b"anchors" + self._key, about=(about,)))
        known = entry.read()
        if known is None or (known["until"] and known["until"] <= times.iso(times.now())):
            known = self._new_summary()
            if not self._stamp.is_fresh:
                entry.write(known)
                persistent_cache.remove_superseded({about})
        return dict(known)

    def _new_summary(self) -> dict[str, Any]:
        rendered = self._rendered()
        sets = [directory.compare_set for directory in self.directories()]
        return {"sets": sets, **{name: rendered[name] for name in ("warnings", "anchors", "until")}}

    def _rendered(self) -> dict[str, Any]:
        return run_cache.memoize([b"directories", self._key], self._render)

    def _render(self) -> dict[str, Any]:
        # Most runs read no source.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_rendering, source_groups

        groups = source_groups.read(self._action, self._options["sources"])
        return anchor_rendering.render(groups, self._options, self._family)
