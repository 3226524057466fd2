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

from ansible_collections.grid.security.plugins.plugin_utils._action.places import Place, file_facts
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    anchor_warnings,
    java_truststore,
    system_store,
    trust_store,
)
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["render"]


def render(groups: list[Group], options: dict[str, Any], family: str | None) -> dict[str, Any]:
    """``places`` (the trust directory first), ``warnings``, the number of ``anchors``, and ``until`` when they hold.

    :param options: of the task. :param family: of systems, if the system's trust store is to have the CAs too.
    :raises GridSecurityError: whatever is wrong with the sources.
    """
    found = anchor_reading.collect(groups)
    chosen, left_out = anchor_selection.choose(found, options)
    anchor_selection.check(chosen, found.unusable)
    directory = Place("trust anchors", options["path"], trust_store.PATTERNS, trust_store.layout(chosen), ["..", "."])
    places = [directory, *_copies(chosen, options, family)]
    warnings = [
        *left_out,
        *anchor_warnings.lines(chosen, options["profiles"]),
        *anchor_warnings.orphans(found.orphans, options),
    ]
    if options["java_truststore_path"]:
        warnings += java_truststore.warnings(chosen)
    return {
        "places": [asdict(place) for place in places],
        "warnings": warnings,
        "anchors": len(chosen),
        "until": anchor_warnings.next_change(found.anchors),
    }


def _copies(chosen: list[Anchor], options: dict[str, Any], family: str | None) -> Iterator[Place]:
    """The same CAs for programs that do not read the trust directory."""
    pem = {one.alias: one.certificate.pem for one in chosen}
    if options["bundle_path"]:
        yield _single("PEM bundle", options["bundle_path"], b"".join(pem.values()))
    if options["java_truststore_path"]:
        yield _single("Java truststore", options["java_truststore_path"], java_truststore.render(chosen))
    if family:
        yield system_store.place(family, chosen, pem)


def _single(name: str, path: str, data: bytes) -> Place:
    directory, basename = os.path.split(path)
    return Place(f"{name} {path}", directory, [glob.escape(basename)], {basename: file_facts(data)}, ["."])
