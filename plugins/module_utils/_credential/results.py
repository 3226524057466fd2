# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the result of a credential, as the user sees it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import policy, reasons
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Summary
from ansible_collections.grid.security.plugins.module_utils._credential.credential import Credential

__all__ = ["of"]


def of(credential: Credential, check: bool) -> dict[str, Any]:
    """Return the result. :param check: whether nothing was changed."""
    options, outcome, summary = credential.options, credential.outcome, credential.summary
    result: dict[str, Any] = {"owner": options.owner, "state": options.state, "changed": False, **_paths(credential)}
    if outcome.services:
        result["services"] = outcome.services
    if summary is not None:
        days_left = policy.days_left(summary.facts)
        result.update(summary.facts, days_left=days_left, warnings=summary.warnings)
    if credential.error is not None:
        result.update(failed=True, error_code=credential.error.error_code, msg=credential.error.message)
        return result
    return {**result, **_changed(credential, check)}


def _changed(credential: Credential, check: bool) -> dict[str, Any]:
    """Return the changes and their reasons."""
    changes = _changes(credential, check)
    owner = f"{credential.options.owner}: " if credential.options.owner else ""
    result: dict[str, Any] = {
        "changed": credential.outcome.changed,
        "changes": [change.reason for change in changes],
        "differences": [f"{owner}{change.line}" for change in changes],
    }
    backups = [entry["backup_file"] for entry in credential.outcome.entries if "backup_file" in entry]
    return {**result, "backup_files": backups} if backups else result


def _paths(credential: Credential) -> dict[str, str]:
    """Return the absolute path of each file, by option. Without an answer of the node, ``~`` is not expanded."""
    options = credential.options
    given = credential.outcome.paths or [os.path.join(options.place, path) for path in options.paths.values()]
    return dict(zip(options.paths, given))


@dataclass(frozen=True)
class _Change:
    """The reason for a change. The line has the reason with the path of the file."""

    reason: str
    line: str


def _changes(credential: Credential, check: bool) -> list[_Change]:
    """Return all changes, those of the certificate first."""
    paths = _paths(credential)
    certificate: list[_Change] = []
    others: list[_Change] = []
    for entry in credential.outcome.entries:
        for change in entry["changes"]:
            explained = _explain(credential, paths, entry["path"], change, check)
            is_first = entry["path"] == paths.get("cert_path") and explained is not None
            (certificate if is_first else others).append(explained or _of_file(entry["path"], change, check))
    return certificate + others


def _of_file(path: str, change: str, check: bool) -> _Change:
    reason = reasons.of_file(path, change, check)  # begins with the name of the file
    return _Change(reason, os.path.join(os.path.dirname(path), reason))


def _explain(credential: Credential, paths: dict[str, str], path: str, change: str, check: bool) -> _Change | None:
    """Return the change of a certificate or of a private key; None if it is explained like that of any file."""
    summary = credential.summary
    if summary is None or change not in ("created", "content replaced"):
        return None
    if path == paths["cert_path"]:
        reason = _of_certificate(credential, summary, change, check)
    elif path == paths["privatekey_path"]:
        reason = _of_privatekey(credential, summary, paths, change, check)
    else:
        return None
    return _Change(reason, f"{path}: {reason}")


def _of_certificate(credential: Credential, summary: Summary, change: str, check: bool) -> str:
    if change == "created" and check:
        return "certificate missing"
    return reasons.of_certificate(summary.facts, credential.before, check)


def _of_privatekey(credential: Credential, summary: Summary, paths: dict[str, str], change: str, check: bool) -> str:
    if change == "created":
        return "private key missing" if check else "private key installed"
    found = credential.outcome.key_files.get(paths["privatekey_path"])
    is_same = _is_certificate_in_place(credential, paths["cert_path"])
    return reasons.of_privatekey(summary.key, found, is_same, check)


def _is_certificate_in_place(credential: Credential, path: str) -> bool:
    if path not in {entry["path"] for entry in credential.outcome.entries}:
        return True
    before, summary = credential.before, credential.summary
    return bool(before and summary and before["sha256_fingerprint"] == summary.facts["sha256_fingerprint"])
