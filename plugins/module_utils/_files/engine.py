# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge file sets on a node, each set with the rights of its owner.

The work on one set is in :mod:`set_work`. It runs in another process with the owner's rights, or in this process if
this process has these rights.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import answers, rights
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Handler, Job
from ansible_collections.grid.security.plugins.module_utils._files.resolved_set import RefusedSet, ResolvedSet, resolve
from ansible_collections.grid.security.plugins.module_utils._files.run_as import Runner
from ansible_collections.grid.security.plugins.module_utils._files.set_options import TIMEOUT

__all__ = ["converge"]

_EXISTS_LIMIT = 10.0  # seconds to find out whether a path exists
# The most characters of an answer about another user's files: per set, per entry, and in a diff per byte.
_MOST, _MOST_OF_ENTRY, _MOST_OF_BYTE = 1 << 18, 1 << 14, 16


@dataclass(frozen=True)
class _Call:
    """What holds for all sets of a call; see :func:`converge`."""

    contents: dict[str, str]
    check: bool
    diff: bool
    limit: float
    secret: bool


def converge(
    handler: Handler,
    sets: list[dict[str, Any]],
    contents: dict[str, str],
    check: bool,
    diff: bool,
    limit: float = TIMEOUT,
    secret: bool = False,
) -> list[dict[str, Any]]:
    """Converge every set and return a result for each, in order.

    :param handler: calls :func:`set_work.work` with inspectors. A new interpreter imports the handler by its name.
    :param sets: as in the option ``sets`` of the module ``file_set``.
    :param contents: Base64 by SHA-256. A set that needs other contents is not changed; its result has ``needs``.
    :param limit: the seconds that one set may take.
    :param secret: this process's memory holds what is for one owner only, even without contents.
    """
    call = _Call(contents, check, diff, limit, secret or bool(contents))
    services = _ask_for_services(sets)
    resolved = rights.decide([_resolve(fields, services) for fields in sets])
    with Runner(handler, call.secret) as runner:
        return [_converge(file_set, call, runner, services) for file_set in resolved]


def _resolve(fields: dict[str, Any], services: Any) -> rights.AnySet:
    try:
        if fields.get("services"):
            _services().refuse_unknown(services, fields)
        return resolve(fields)
    except GridSecurityError as error:
        return RefusedSet(fields, error)


def _converge(file_set: rights.AnySet, call: _Call, runner: Runner, services: Any) -> dict[str, Any]:
    """Return the result of one set. A worker cannot set the name, the paths and the services of the result."""
    name = file_set.fields["name"]
    if isinstance(file_set, RefusedSet):
        return {"changed": False, **_refusal(file_set), "name": name, "paths": []}
    result = _with_services(runner.run(_job(file_set, call)), file_set, services)
    paths = [answers.printable(entry["path"]) for entry in file_set.entries]
    return {"changed": False, **result, "name": name, "paths": paths}


def _refusal(file_set: RefusedSet) -> dict[str, Any]:
    """Return the failure of a set. A removal of files is done already if the account does not exist."""
    error = file_set.error
    if error.error_code == "no_account" and all(entry["state"] == "absent" for entry in file_set.fields["entries"]):
        return {}
    return {"failed": True, "error_code": error.error_code, "msg": error.message}


# --- the job of a set -------------------------------------------------------------------------------------------------


def _job(file_set: ResolvedSet, call: _Call) -> Job:
    argument = _argument(file_set, call)
    account, entries = file_set.account, file_set.entries
    return Job(
        account,
        argument,
        limit=min(call.limit, _EXISTS_LIMIT) if "exists" in argument else call.limit,
        most=answers.LARGEST if account.is_caller else _most(entries, call.diff),
        shape=_shape(entries),
        probe_argument=None if call.secret else {**argument, "compare_only": True},
    )


def _argument(file_set: ResolvedSet, call: _Call) -> dict[str, Any]:
    """Return the argument of :func:`set_work.work`."""
    fields = file_set.fields
    argument = {
        "entries": file_set.entries,
        "contents": _contents_of(file_set.entries, call.contents),
        "preconditions": fields.get("preconditions") or [],
        "check": call.check,
        "diff": call.diff,
        "for_other_user": not file_set.account.is_caller,
    }
    for name in ("manifest", "exists"):
        if fields.get(name):
            argument[name] = {**fields[name], "directory": file_set.directory}
    if fields.get("services"):
        argument["watched"] = file_set.watched
    return argument


def _contents_of(entries: list[dict[str, Any]], contents: dict[str, str]) -> dict[str, str]:
    """Return the contents of one set: a worker holds its owner's bytes and nobody else's."""
    digests = {entry.get("sha256") for entry in entries}
    return {digest: content for digest, content in contents.items() if digest in digests}


def _most(entries: list[dict[str, Any]], diff: bool) -> int:
    """Return how many characters an answer about these entries of another user may have."""
    size = sum(entry.get("size") or 0 for entry in entries) if diff else 0
    return _MOST + _MOST_OF_ENTRY * len(entries) + _MOST_OF_BYTE * size


def _shape(entries: list[dict[str, Any]]) -> dict[str, answers.Shape]:
    """Return the shape of the values that callers use, so that a malformed answer fails only its own set."""
    digests = {entry["sha256"] for entry in entries if "sha256" in entry}
    return {
        "changed": bool,
        "entries": [{"path": str, "changes": [str]}],
        "needs": [lambda digest: isinstance(digest, str) and digest in digests],
        "observed": {str: _is_base64},
        "key_files": {str: dict},
        "left": [str],
        "diff": [dict],
    }


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode(value)
    except (TypeError, ValueError):
        return False
    return True


# --- services ---------------------------------------------------------------------------------------------------------


def _ask_for_services(sets: list[dict[str, Any]]) -> Any:
    """Ask systemd about the services of all sets, before anything is changed. None if no set has a service."""
    if not any(fields.get("services") for fields in sets):
        return None
    return _services().ask(sets)


def _services() -> Any:
    # Most sets have no services.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.module_utils._files import services

    return services


def _with_services(result: dict[str, Any], file_set: ResolvedSet, services: Any) -> dict[str, Any]:
    """Return the result of a set with the services that need a restart.

    A user may control the worker, so services in the answer of the worker are dropped.
    """
    kept = {name: value for name, value in result.items() if name not in ("change_times", "services")}
    if file_set.fields.get("services"):
        changed = result.get("change_times")
        kept["services"] = _services().describe(services, file_set.fields, file_set.watched, changed)
    return kept
