# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report what changes in a trust directory and in its copies: CAs by alias, other files by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._trust.trust_store import Update

__all__ = ["result", "unchanged"]

_MOST_SHOWN = 50  # files in a diff


def unchanged(warnings: list[str]) -> dict[str, Any]:
    """Return the result of a task with nothing to do."""
    nothing: dict[str, Any] = {name: [] for name in ("added", "removed", "replaced", "files", "places")}
    return {"changed": False, "warnings": warnings, **nothing, "summary": ["not changed"]}


def result(updates: list[Update], warnings: list[str], diff: bool) -> dict[str, Any]:
    """Return the result of a task. :param updates: of all directories, with the trust directory first."""
    needed = [update for update in updates if update.is_needed]
    cas = _changed_cas(updates[0].directory.wanted, updates[0].found)
    other, same = _other_files(updates[0], {ca["alias"] for named in cas.values() for ca in named})
    report: dict[str, Any] = {"changed": bool(needed), "warnings": warnings, **cas}
    report["files"] = other + same
    report["places"] = [update.directory.name for update in needed]
    report["summary"] = [_summary(cas, len(other), len(same))]
    if diff and needed:
        report["diff"] = [{"prepared": "".join(f"{line}\n" for line in _diff(report, needed))}]
    return report


def _summary(cas: dict[str, list[Any]], other: int, same: int) -> str:
    """:param other: the number of files and links that differ. :param same: of those that have only another form."""
    numbers = [f"CAs {name}: {len(named)}" for name, named in cas.items() if named]
    if other:
        numbers.append(f"other files and links that differed: {other}")
    if same:
        numbers.append(f"files and links with the same content in another form: {same}")
    return ", ".join(numbers) or "not changed"


def _diff(report: dict[str, Any], needed: list[Update]) -> Iterator[str]:
    for sign, key in (("-", "removed"), ("+", "added"), ("~", "replaced")):
        yield from (f"{sign} {ca['alias']} ({ca['sha256_fingerprint']})" for ca in report[key])
    yield from report["files"][:_MOST_SHOWN]
    if len(report["files"]) > _MOST_SHOWN:
        yield f"and {len(report['files']) - _MOST_SHOWN} files and links more"
    for update in needed:
        yield f"{update.directory.name}: {len(update.entries)} files and links differ"


# --- CAs --------------------------------------------------------------------------------------------------------------


def _changed_cas(wanted: Facts, found: Facts) -> dict[str, list[dict[str, Any]]]:
    """Return the CAs that are added, removed and replaced, each with alias and fingerprint.

    The certificate behind a link is not always known. A file in place of such a link is reported with the other files.
    """
    before, after = _fingerprints(found), _fingerprints(wanted)
    replaced = [
        alias
        for alias in sorted({*after} & {*before})
        if (found[f"{alias}.pem"]["kind"] == "file" or before[alias]) and after[alias] != before[alias]
    ]
    return {
        "added": [_ca(alias, after) for alias in sorted(set(after) - set(before))],
        "removed": [_ca(alias, before) for alias in sorted(set(before) - set(after))],
        "replaced": [_ca(alias, after) for alias in replaced],
    }


def _fingerprints(facts: Facts) -> dict[str, Any]:
    """Return the fingerprints of the CAs by alias. A fingerprint is None if it is not known."""
    files = {name: known for name, known in facts.items() if name.endswith(".pem")}
    return {name.removesuffix(".pem"): known.get("certificate") for name, known in files.items()}


def _ca(alias: str, fingerprints: dict[str, Any]) -> dict[str, Any]:
    return {"alias": alias, "sha256_fingerprint": fingerprints[alias]}


# --- other files ------------------------------------------------------------------------------------------------------


def _other_files(update: Update, changed: set[str]) -> tuple[list[str], list[str]]:
    """Return the changes of CAs that stay: files with other content, and files that only have another form.

    :param changed: the aliases of CAs that are added, removed or replaced, which are reported by name.
    """
    lines: tuple[list[str], list[str]] = ([], [])
    for path in (entry["path"] for entry in update.entries):
        before, after = _resolved(path, update.found), _resolved(path, update.directory.wanted)
        known = [facts.get("target") or path for facts in (before, after) if facts]  # names of links are hashes
        if known and not {os.path.basename(name).rpartition(".")[0] for name in known} & changed:
            lines[_has_other_form(before, after)].append(f"{path}: {file_facts.describe_difference(before, after)}")
    return lines


def _has_other_form(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Return whether a file and a link, or two links, have the same content."""
    forms = {(facts["kind"], facts.get("target")) if facts else None for facts in (before, after)}
    return len(forms) == 2 and file_facts.has_same_content(before, after)


def _resolved(path: str, facts: Facts) -> dict[str, Any] | None:
    """Return the facts of a file or link. A link has the digest of its target if that is in the same directory."""
    known = facts.get(path)
    target = facts.get(known.get("target") or "") if known else None
    return {**known, "leads_to": target["sha256"]} if known and target and target.get("sha256") else known
