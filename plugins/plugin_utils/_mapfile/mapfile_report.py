# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report the lines of a grid-mapfile, what changed, and the sources that failed."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import readable
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.plugin_utils._mapfile.mapfile_lines import Failure, Lines

__all__ = ["result"]


def result(outcome: dict[str, Any], lines: Lines, before: str, items: list[CredentialOptions]) -> dict[str, Any]:
    """Return the result of a task.

    :param outcome: of the engine. :param before: the file before the run. :param items: the options of all credentials.
    """
    after = lines.text.splitlines()
    report: dict[str, Any] = {"changed": outcome["changed"], "lines": after, "warnings": _warnings(items)}
    report["summary"] = [f"{len(after)} lines, {'changed' if outcome['changed'] else 'not changed'}"]
    report.update(_difference(before.splitlines(), after))
    if outcome.get("diff"):
        report["diff"] = outcome["diff"]
    if lines.failures:
        del report["lines"]  # ansible shows all of a failed result
        report.update(failed=True, error_code="not_mapped", msg=_message(lines.failures))
        report["not_mapped"] = [_not_mapped(failure) for failure in lines.failures]
    return report


def _warnings(items: list[CredentialOptions]) -> list[str]:
    unknown = [str(options.owner) for options in items if options.remote_src]
    if not unknown:
        return []
    return [
        f"grid-mapfile: the archives of {', '.join(unknown)} lie on nodes, so their subjects are not known on the"
        " controller. Give the lines in entries."
    ]


def _difference(before: list[str], after: list[str]) -> dict[str, list[str]]:
    """Return the added and the removed lines. The order of lines does not count."""
    old, new = dict.fromkeys(before), dict.fromkeys(after)
    added = [line for line in new if line not in old]
    return {"added": added, "removed": [readable(line) for line in old if line not in new]}


def _message(failures: list[Failure]) -> str:
    kept = dict.fromkeys(account for failure in failures for line in failure.kept for account in line.accounts)
    stays = f" The present lines stay for {listed(list(kept))}." if kept else ""
    first = f"{len(failures)} of the mappings failed; the others are made.{stays}"
    return "\n".join([first, *(f"- {failure.error.message}" for failure in failures)])


def _not_mapped(failure: Failure) -> dict[str, Any]:
    return {
        "accounts": failure.accounts,
        "kept": [mapping.dn for mapping in failure.kept],
        "error_code": failure.error.error_code,
        "msg": failure.error.message,
    }
