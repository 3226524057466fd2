# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place all parts of a node in one call. The roles place one part each.

The table of ``role_options`` says which variable sets which option, and the defaults.
"""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import (
    Exchange,
    Outcomes,
    Request,
    Send,
    run_batched,
)
from ansible_collections.grid.security.plugins.plugin_utils._action import option_names, restarts, templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.role_options import ROLES
from ansible_collections.grid.security.plugins.plugin_utils._credential import credential_report, credentials
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import grid_mapfile
from ansible_collections.grid.security.plugins.plugin_utils._node import node_verification
from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_anchors
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms

__all__ = ["OPTIONS", "PARTS", "Part", "place"]

OPTIONS: dict[str, dict[str, Any]] = {"verify": {"type": "bool", "default": False}}

# Lists whose items belong to different persons or VOs: a mistake in an item costs only that item.
_LISTS = (
    "voms_client_vos",
    "user_credentials",
    "host_credential_copies",
    "grid_mapfile_credentials",
    "grid_mapfile_entries",
)


@dataclass(frozen=True)
class Part:
    """The work of one role.

    :param variables: the part is placed if one of these variables is set.
    :param purge: if this variable is true, the part is placed for an empty list in the first variable, too.
    """

    role: str
    variables: tuple[str, ...]
    place: Callable[[GridAction, dict[str, Any]], Exchange]
    purge: str = ""


_STRICTER = {"user_credentials": {"check_privatekey": True}}  # further options of a part in a verification
_WITH_DAYS = ("host_credential", "user_credentials")

# The mapfile comes last: it maps the credentials that the parts before it did not refuse.
PARTS = (
    Part("trust_anchors", ("trust_anchors_sources",), trust_anchors.place),
    Part("voms_client", ("voms_client_vos", "voms_client_import_vomses"), voms.place, "voms_client_purge"),
    Part("host_credential", ("host_credential_src",), credentials.place),
    Part("user_credentials", ("user_credentials",), credentials.place, "user_credentials_purge"),
    Part("grid_mapfile", ("grid_mapfile_path",), grid_mapfile.place),
)


def place(action: GridAction) -> dict[str, Any]:
    """Place all parts that the node's variables ask for, and return the result."""
    options = validated(OPTIONS, action.arguments, module="node")
    if options["verify"]:
        action.change_nothing()
    chosen = [part for part in PARTS if _is_wanted(action, part)]
    results = run_batched([_PartExchange(action, part, options["verify"]) for part in chosen], action.send)
    results = [restarts.carry_out(action, result) for result in results]  # after all files of all parts are in place
    parts = {part.role: result for part, result in zip(chosen, results)}
    result = _verified(action, parts) if options["verify"] else _combined(parts, action.diff)
    if not chosen:
        variables = ", ".join(variable for part in PARTS for variable in part.variables)
        result["warnings"] = [f"nothing to do: none of {variables} is set."]
    return result


def _is_wanted(action: GridAction, part: Part) -> bool:
    purges = bool(part.purge) and part.variables[0] in action.task_vars and _is_set(action, part.purge, _truth)
    return purges or any(_is_set(action, variable) for variable in part.variables)


def _is_set(action: GridAction, variable: str, truth: Callable[[Any], bool] = bool) -> bool:
    """Return whether a variable asks for a part. It does if it cannot be filled: the part then fails with the cause."""
    value = action.task_vars.get(variable)
    if isinstance(value, list):
        return bool(value)
    try:
        return truth(action.template(value))
    except AnsibleError:
        return True


def _truth(value: Any) -> bool:
    return bool(boolean(str(value), strict=False))


class _PartExchange(Exchange):
    """The exchange of one part. Messages name the role's variables in place of options.

    An error fails this part only, also an error in its variables and a bug.
    """

    def __init__(self, action: GridAction, part: Part, verify: bool) -> None:
        self._action, self._part, self._verify = action, part, verify
        self._exchange = Exchange()  # until the variables of the part are read

    def request(self) -> Request:
        with self._explained():
            stricter = _STRICTER.get(self._part.role, {}) if self._verify else {}
            arguments = {**_arguments(self._action, self._part), **stricter}
            self._exchange = self._part.place(self._action, arguments)
            return self._exchange.request()

    def supply(self, outcomes: Outcomes) -> Request:
        with self._explained():
            return self._exchange.supply(outcomes)

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        with self._explained():
            return option_names.translated(self._part.role, self._exchange.result(outcomes, send))

    def close(self) -> None:
        self._exchange.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            with option_names.translated_errors(self._part.role):
                yield
        except (AnsibleConnectionFailure, GridSecurityError):
            raise
        except AnsibleError as error:
            raise GridSecurityError("bad_options", str(error)) from error
        except Exception as error:  # pylint: disable=broad-except  # a bug in a part fails only that part
            where = traceback.extract_tb(error.__traceback__)[-1]
            location = f"{os.path.basename(where.filename)}, line {where.lineno}"
            raise GridSecurityError("internal", f"{type(error).__name__} in {location}. Report this.") from error


def _arguments(action: GridAction, part: Part) -> dict[str, Any]:
    """Return the options that the role's task gives its module."""
    try:
        return _filled(action, part.role)
    except AnsibleError:
        if not action.filled_variables:
            action.filled_variables = templates.fill_lists(_LISTS, action.task_vars, action.template)
        return _filled(action, part.role)


def _filled(action: GridAction, role: str) -> dict[str, Any]:
    """Return the options of the role's module, with their templates filled."""
    defaults = templates.trusted(ROLES[role].defaults)
    variables = {**defaults, **action.task_vars, **action.filled_variables}
    arguments = templates.trusted(ROLES[role].arguments())
    # Following plain references saves ansible the compilation of a template for each of them.
    referred = {name: templates.referred(value, variables) for name, value in arguments.items()}
    filled: dict[str, Any] = action.template(referred, defaults)
    return filled


def _variable(action: GridAction, role: str, name: str) -> Any:
    """Return the value of a role's variable, or its default."""
    defaults = templates.trusted(ROLES[role].defaults)
    return action.template({name: action.task_vars.get(name, defaults[name])}, defaults)[name]


def _verified(action: GridAction, parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a verification: all problems of the parts, and problems that the node's CRLs show."""
    problems: list[str] = []
    days = {}
    for role in [role for role in _WITH_DAYS if role in parts]:
        try:
            days[role] = _days(action, role)
        except AnsibleError as error:
            problems.append(str(error))
    problems += node_verification.of_parts(parts, days)
    try:
        problems += _problems_of_crls(action, parts)
    except AnsibleConnectionFailure:
        raise
    except AnsibleError as error:
        problems.append(f"CRLs: {error}")
    warnings = [warning for part in parts.values() for warning in part.get("warnings", [])]
    return node_verification.result(problems, warnings)


def _days(action: GridAction, role: str) -> int:
    name = f"{role}_verify_days_left"
    value = _variable(action, role, name)
    try:
        return int(value)
    except (TypeError, ValueError):
        raise AnsibleActionFail(f"{name}: {value!r} is no number of days. Write a whole number.") from None


def _problems_of_crls(action: GridAction, parts: dict[str, dict[str, Any]]) -> Iterator[str]:
    certificates = node_verification.certificates(parts)
    fetched = action.task_vars.get("crl_updates_source") is not None
    if not certificates and not fetched:
        return
    names = {"path": "path", "hours_left": "verify_hours_left", "exclude": "exclude"}
    options = {name: _variable(action, "crl_updates", f"crl_updates_{variable}") for name, variable in names.items()}
    answer = action.execute("grid.security.crl_info", {**options, "certificates": certificates, "warn": False})
    if answer.get("failed"):
        if fetched or answer.get("error_code") != "no_directory":
            yield f"CRLs: {answer.get('msg', 'the module crl_info gave no result')}"
        return
    yield from node_verification.of_crls(answer, parts)
    if fetched:
        yield from node_verification.of_freshness(answer)


def _combined(parts: dict[str, dict[str, Any]], diff: bool) -> dict[str, Any]:
    failed = {role: part for role, part in parts.items() if part.get("failed")}
    result: dict[str, Any] = {
        "changed": any(part["changed"] for part in parts.values()),
        "warnings": [warning for part in parts.values() for warning in part.pop("warnings", [])],
        "summary": [f"{role}: {line}" for role, part in parts.items() for line in part.pop("summary", ["failed"])],
        "parts": parts,
    }
    differences = [difference for part in parts.values() for difference in part.pop("diff", [])]
    if diff and differences:
        result["diff"] = differences
    if failed:  # ansible shows the whole result of a failed task
        result.update(failed=True, msg="\n".join(_messages(failed)), parts=failed)
        del result["summary"]
        for part in failed.values():
            del credential_report.shortened(part)["msg"]
    return result


def _messages(failed: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Yield the message of each failed role, without lines about a mistake that an earlier role reports.

    A mistake in a credential also prevents the mapping of its owner.
    """
    told: set[str] = set()
    for role, result in failed.items():
        lines = [line for line in result["msg"].splitlines() if node_verification.mistake(line) not in told]
        credentials = result.get("credentials", [])
        told.update(node_verification.mistake(found["msg"]) for found in credentials if found.get("failed"))
        yield f"{role}: " + "\n".join(lines)
