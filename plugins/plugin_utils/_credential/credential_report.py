# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Combine the results of credentials to the result of a task."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.listing import listed

__all__ = ["combine", "shortened"]

Result = dict[str, Any]


def combine(results: list[Result], as_list: bool, diff: bool) -> Result:
    """Return the result of the task; see :func:`shortened`.

    :param results: of each credential, as of :class:`deploy.CredentialExchange`.
    :param as_list: whether the task has a list of credentials, and not a single one.
    """
    changed = [result for result in results if result["changed"]]
    failed = [result for result in results if result.get("failed")]
    combined: Result = {} if as_list else dict(results[0])
    combined.pop("warnings", None)
    combined.update(changed=bool(changed), warnings=_warnings(results))
    for result in results:
        result.pop("warnings", None)
    combined["credentials"] = results
    if diff and changed:
        combined["diff"] = [{"prepared": "".join(f"{line}\n" for result in changed for line in result["differences"])}]
    if as_list:
        combined["summary"] = [_summary(results, changed)]
        combined["differences"] = [line for result in changed for line in result["differences"]]
    if failed:
        combined.update(failed=True, msg=_message(results, failed) if as_list else failed[0]["msg"])
    return combined


def shortened(result: Result) -> Result:
    """Return the result. If the task failed, only with the credentials that failed: ansible shows all of it."""
    failed = [credential for credential in result.get("credentials", []) if credential.get("failed")]
    if result.get("failed") and "credentials" in result:
        result.update(credentials=failed)
        result.pop("differences", None)
    return result


def _name(result: Result) -> str:
    return str(result["owner"] or os.path.dirname(result["cert_path"]))


def _summary(results: list[Result], changed: list[Result]) -> str:
    number = "1 credential" if len(results) == 1 else f"{len(results)} credentials"
    if not changed:
        return f"{number}, none changed"
    told = listed(list(map(_name, changed)))
    if len(changed) == 1:
        told = f"{told}: {'; '.join(changed[0]['changes'])}"
    return f"{number}, {len(changed)} changed: {told}"


def _message(results: list[Result], failed: list[Result]) -> str:
    """Return all failures in one message, with the number of other credentials that changed."""
    others = len(results) - len(failed)
    changed = sum(1 for result in results if result["changed"] and not result.get("failed"))
    outcome = f"; {changed} of the other {others} changed" if others else ""
    first = f"{len(failed)} of {len(results)} credentials failed{outcome}."
    return "\n".join([first, *(f"- {result['msg']}" for result in failed)])


def _warnings(results: list[Result]) -> list[str]:
    """Return one line for each warning, with the names of the credentials that have it."""
    named: dict[str, list[str]] = {}
    for result in results:
        for warning in result.get("warnings", []):
            name, _colon, text = warning.partition(": ")
            named.setdefault(text, []).append(name)
    expired = [f"{_name(result)} ({result['not_after'][:10]})" for result in results if result.get("days_left", 0) < 0]
    lines = [f"{listed(names)}: {text}" for text, names in named.items()]
    return lines + ([f"the certificate has expired: {listed(expired)}"] if expired else [])
