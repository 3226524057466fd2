# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report the state of each CRL after a run, and what changed."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_warnings
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_decisions import CrlDecision

__all__ = ["result"]


def result(decisions: list[CrlDecision], options: dict[str, Any], diff: bool) -> dict[str, Any]:
    """Return the result of a task."""
    crls = [_of_crl(decision, options["path"]) for decision in decisions]
    problems = [problem for problem in (decision.problem for decision in decisions) if problem]
    report: dict[str, Any] = {"changed": any(crl["changed"] for crl in crls), "crls": crls}
    report["warnings"] = crl_warnings.lines(problems)
    if not crls:
        report["warnings"].append("no CA of the sources has a CRL URL (.info, .crl_url), so no CRL is placed")
    if diff and report["changed"]:
        lines = [f"{crl['alias']}: {change}\n" for crl in crls for change in crl["changes"]]
        report["diff"] = [{"prepared": "".join(lines)}]
    bad = [problem for problem in problems if problem.state != "fresh"]
    if options["required"] and bad:
        msg = "\n".join(["CAs without a valid CRL in place:", *crl_warnings.lines(bad)])
        report.update(failed=True, error_code="crl_required", msg=msg)
    return report


def _of_crl(decision: CrlDecision, path: str) -> dict[str, Any]:
    point, known, problem = decision.fetched.point, decision.known, decision.problem
    return {
        "alias": point.alias,
        "subject_dn": point.subject_dn,
        "files": [os.path.join(path, file.name) for file in decision.files],
        "state": decision.state,
        "number": known["number"],
        "this_update": known["this_update"],
        "next_update": known["next_update"],
        "hours_left": _hours_left(known["next_update"]),
        "url": decision.fetched.url,
        "changed": bool(decision.changed_files),
        "changes": [f"{file.name}: {file.change}" for file in decision.changed_files],
        "msg": problem.message if problem else None,
    }


def _hours_left(next_update: str | None) -> int | None:
    return int((times.parse_iso(next_update) - times.now()).total_seconds() // 3600) if next_update else None
