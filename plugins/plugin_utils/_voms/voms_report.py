# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what changes for each VO: servers, vomses entries and LSC files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms_files
from ansible_collections.grid.security.plugins.plugin_utils._voms.voms_comparison import ComparedVo, Comparison
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Line, lines

__all__ = ["result"]

_UNNAMED = "no source names it any more"
_UNWANTED = "unwanted"

# By host, the parts of a server's configuration: its vomses entries, or the digest of its LSC file.
_Servers = dict[str, dict[str, set[str]]]


def result(comparison: Comparison, warnings: list[str], diff: bool) -> dict[str, Any]:
    """Return the result of a task."""
    vos = [_of_vo(comparison, compared) for compared in comparison.vos]
    report: dict[str, Any] = {"changed": bool(comparison.changes), "warnings": warnings, "vos": vos}
    report["summary"] = [_summary(vos)]
    if diff and comparison.changes:
        report["diff"] = [{"prepared": "".join(change.diff for change in comparison.changes)}]
    return report


def _summary(vos: list[dict[str, Any]]) -> str:
    number = "1 VO" if len(vos) == 1 else f"{len(vos)} VOs"
    names = [vo["name"] for vo in vos if vo["changed"]]
    return f"{number}, {len(names)} changed: {', '.join(names)}" if names else f"{number}, none changed"


def _of_vo(comparison: Comparison, compared: ComparedVo) -> dict[str, Any]:
    own = [change for change in comparison.changes if compared.vo.name in change.vos]
    changes = list(_changes(comparison, compared)) or [str(change) for change in own]
    if compared.is_unnamed:
        changes = [_UNNAMED, *(change for change in changes if change != _UNWANTED)]
    return {"name": compared.vo.name, "changed": bool(own), "changes": changes}


def _changes(comparison: Comparison, compared: ComparedVo) -> Iterator[str]:
    """Yield how a VO differs from its definition. The words are true before the change and after it."""
    before = _servers(comparison.entries(compared.vo), compared.found)
    after = _servers(lines(compared.vo.vomses.encode()), compared.lsc.directory.wanted)
    if before and after:
        for host in sorted({*before, *after}):
            yield from _changes_of_server(host, before.get(host), after.get(host))
    elif before or after:
        yield "missing" if after else _UNWANTED
    yield from (f"unwanted entries in {path}" for path in comparison.edited_files(compared.vo))


def _servers(entries: Iterable[Line], lsc_files: Facts) -> _Servers:
    servers: _Servers = {}
    for line in entries:
        parts = servers.setdefault(line.fields[1], {})
        parts.setdefault("vomses entry", set()).add(" ".join(line.fields[:5]))
    for name, facts in lsc_files.items():
        host, ending = os.path.splitext(name)
        if ending == voms_files.LSC:
            servers.setdefault(host, {})["LSC file"] = {facts.get("sha256") or facts["kind"]}
    return servers


def _changes_of_server(
    host: str, before: dict[str, set[str]] | None, after: dict[str, set[str]] | None
) -> Iterator[str]:
    if before is None or after is None:
        yield f"server {host} {'missing' if before is None else _UNWANTED}"
        return
    for part in sorted({*before, *after}):
        if before.get(part) != after.get(part):
            yield f"server {host}: {part} {_fault(before.get(part))}"


def _fault(before: set[str] | None) -> str:
    """Say what is wrong with vomses entries or with an LSC file.

    :param before: the entries; or the digest of the LSC file, or its kind if it is no file; None if there is nothing.
    """
    if before is None:
        return "missing"
    return "now a file, was a link" if before == {"link"} else "differs"
