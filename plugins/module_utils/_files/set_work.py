# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare or apply one file set with the rights of this process.

Plan and apply are apart, so check mode, diff and a real run share the plan.
"""

from __future__ import annotations

import base64
import functools
import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import accounts, manifest, report, scan
from ansible_collections.grid.security.plugins.module_utils._files.apply import apply, changed_meanwhile
from ansible_collections.grid.security.plugins.module_utils._files.entries import parse
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.jobs import UNFINISHED, guarded
from ansible_collections.grid.security.plugins.module_utils._files.observed import change_times
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import INTACT, explain
from ansible_collections.grid.security.plugins.module_utils._files.plan import plan, plan_clearing

__all__ = ["work"]


def work(argument: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    """Return the result of one set. If it has watched files, add when they changed, even if the set fails."""
    if not argument.get("watched"):
        return _work(argument, inspectors)
    result = guarded(functools.partial(_work, inspectors=inspectors), argument)
    return {**result, "change_times": change_times(argument["watched"])}


def _work(argument: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    if "exists" in argument:
        return _exists(argument["exists"])
    if "manifest" in argument:
        return _compare(argument["manifest"], inspectors)
    return _converge(argument, inspectors)


def _exists(sought: dict[str, Any]) -> dict[str, Any]:
    """Tell whether a path exists for the owner of the set. Links in the directory of the path are followed."""
    path = os.path.join(sought["directory"], sought["path"])
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return {"changed": False, "entries": [], "exists": False}
    except OSError as error:
        raise explain(path, "looked for", INTACT, error) from error
    return {"changed": False, "entries": [], "exists": True}


def _compare(expected: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    """Compare a directory by its digest. If it differs, read it again and return the facts about its files."""
    path, patterns, bundle = expected["directory"], expected["patterns"], expected.get("bundle")
    found = scan.scan(path, patterns, inspectors if bundle else None)
    missing = scan.missing(found, bundle, inspectors) if bundle else []
    if manifest.digest(found) == expected["sha256"] and not missing:
        return {"changed": False, "entries": [], "seen": manifest.digest_of_placed(found)}
    found = scan.scan(path, patterns, inspectors, bool(expected.get("observe")))
    seen = manifest.digest_of_placed(found)
    return {"changed": True, "entries": [], "seen": seen, "found": found, "missing": missing}


def _converge(argument: dict[str, Any], inspectors: Inspectors) -> dict[str, Any]:
    """Plan the set. Apply the plan, unless in check mode or without the contents.

    With ``compare_only``, the result of a plan that would be applied is :data:`jobs.UNFINISHED`.
    """
    entries = [parse(fields, *accounts.find_ids(fields)) for fields in argument["entries"]]
    contents = {digest: base64.b64decode(text) for digest, text in argument["contents"].items()}
    steps = plan(entries, inspectors)
    plan_clearing(steps)
    result = report.report(steps, contents, argument, inspectors)
    if contents and result.get("needs"):  # the first call needed less
        raise changed_meanwhile(next(step.entry.path for step in steps if step.needs in result["needs"]))
    if argument["check"] or result.get("needs") or not result["changed"]:
        return result
    if argument.get("compare_only"):
        return {UNFINISHED: True}
    backups = apply(entries, contents, argument["preconditions"], inspectors)
    return report.with_backups(result, backups)
