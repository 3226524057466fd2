# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render trust anchors for a node: the trust directory, and the same CAs in the formats of other programs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    anchor_warnings,
    java_truststore,
    system_store,
    trust_store,
)
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor, Found

__all__ = ["render"]


def render(groups: list[Group], options: dict[str, Any], family: str | None) -> dict[str, Any]:
    """Return ``directories`` (the trust directory first), ``warnings``, and the number of ``anchors``.

    The warnings change at the time ``until``.

    :param options: of the task.
    :param family: as of :func:`system_store.detect`, if the system's trust store should have the CAs, too.
    :raises GridSecurityError: as :func:`anchor_reading.collect`, :func:`anchor_selection.choose` and
        :func:`anchor_selection.check`.
    """
    found = anchor_reading.collect(groups)
    chosen, left_out = anchor_selection.choose(found, options)
    anchor_selection.check(chosen, found.unusable)
    directories = [_trust_directory(chosen, options["path"]), *_copies(chosen, options, family)]
    return {
        "directories": [asdict(directory) for directory in directories],
        "warnings": [*left_out, *_warnings(chosen, found, options)],
        "anchors": len(chosen),
        "until": anchor_warnings.next_change(found.anchors),
    }


def _warnings(chosen: list[Anchor], found: Found, options: dict[str, Any]) -> Iterator[str]:
    yield from anchor_warnings.lines(chosen, options["profiles"])
    yield from anchor_warnings.orphans(found.orphans, options)
    if options["java_truststore_path"]:
        yield from java_truststore.warnings(chosen)


def _trust_directory(chosen: list[Anchor], path: str) -> ManagedDirectory:
    return ManagedDirectory("trust anchors", path, trust_store.PATTERNS, trust_store.layout(chosen), ["..", "."])


def _copies(chosen: list[Anchor], options: dict[str, Any], family: str | None) -> Iterator[ManagedDirectory]:
    """Yield the directories with copies of the CAs, for programs that do not read the trust directory."""
    pem = {anchor.alias: anchor.certificate.pem for anchor in chosen}
    if options["bundle_path"]:
        yield _single_file("PEM bundle", options["bundle_path"], b"".join(pem.values()))
    if options["java_truststore_path"]:
        yield _single_file("Java truststore", options["java_truststore_path"], java_truststore.render(chosen))
    if family:
        yield system_store.directory(family, chosen, pem)


def _single_file(name: str, path: str, data: bytes) -> ManagedDirectory:
    """Return the directory of a file. Its other files are left alone."""
    directory, basename = os.path.split(path)
    wanted = {basename: file_facts.of_file(data)}
    return ManagedDirectory(f"{name} {path}", directory, [glob.escape(basename)], wanted, ["."])
