# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart the services that still use a replaced credential.

The engine says which services need a restart (``module_utils/_files/services.py``), in the same call that compares the
files. A task restarts services last, even if something else failed. If a restart fails, the next run tries it again.
Handlers are not suitable: if another task fails, or the run is killed, a restart by a handler is lost.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, Options

__all__ = ["carry_out", "read", "take"]

_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["restarted", "reloaded"], "default": "restarted"},
}


# systemd.unit(5); a template needs an instance.
_NAME = re.compile(r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]*(?<!@)(?<!@\.service)")


def read(given: list[Any], where: str) -> list[dict[str, str]]:
    """Return the option ``services`` with a dictionary for each service.

    :param where: the start of messages.
    :raises AnsibleActionFail: an item is neither a name nor a dictionary with the options of a service.
    """
    services, check = [], Options(_OPTIONS)
    for number, item in enumerate(given):
        item = {"name": item} if isinstance(item, str) else item
        if not isinstance(item, dict) or not _NAME.fullmatch(str(item.get("name") or "")):
            raise AnsibleActionFail(f"{where}services[{number}]: write the name of a service, or name and state.")
        services.append(check.complete(item, f"{where}services[{number}]: "))
    return services


def take(results: list[dict[str, Any]], check_mode: bool) -> list[dict[str, Any]]:
    """Return the services of all credentials, each once, and whether a restart is owed.

    :param results: of the credentials. The status of services is removed from them.
    """
    found: dict[str, dict[str, Any]] = {}
    for result in results:
        for report in result.pop("services", []):
            service = found.setdefault(report.get("unit") or report["name"], _new(report))
            _add(service, report, result["changed"], check_mode)
    return list(found.values())


def _new(report: dict[str, Any]) -> dict[str, Any]:
    managed = report["status"] != "unmanaged"
    return {"name": report["name"], "state": report["state"], "owed": False, "changed": False, "managed": managed}


def _add(service: dict[str, Any], report: dict[str, Any], changed: bool, check_mode: bool) -> None:
    """Add the status that the engine reports with a credential to a service.

    :param changed: whether this run changed the credential, or would change it in check mode.
    """
    status, name = report["status"], report["name"]
    if report["state"] == "restarted":  # a restart includes a reload
        service["state"] = "restarted"
    if status == "unclear":
        service.update(failed=True, msg=f"whether {name} has to be restarted is not known: {report['reason']}.")
    elif status == "owed":
        _owe(service, report["reason"])
    elif changed and (status == "unmanaged" or (status == "current" and check_mode)):
        _owe(service, "its credential changed")


def _owe(service: dict[str, Any], reason: str) -> None:
    if not service["owed"]:
        service.update(owed=True, reason=f"{_verb(service)} of {service['name']} owed: {reason}")


def _verb(service: dict[str, Any]) -> str:
    return "restart" if service["state"] == "restarted" else "reload"


def carry_out(action: GridAction, result: dict[str, Any]) -> dict[str, Any]:
    """Restart the services whose restart is owed, and return the result with the outcome.

    :param result: of a task, or of a part of ``node``; ``services`` as :func:`take` returned them.
    """
    services = result.get("services", [])
    for service in services:
        managed = service.pop("managed")
        if service["owed"] and not action.check_mode:
            _restart(action, service, managed)
        service["changed"] = service["owed"] and not service.get("failed", False)
    if services:
        result["changed"] = result["changed"] or any(service["changed"] for service in services)
    _add_failures(result, [service["msg"] for service in services if service.get("failed")])
    owed = [service["reason"] for service in services if service["owed"]]
    if owed and action.diff:
        text = "services\n" + "".join(f"# {reason}\n" for reason in owed)
        result["diff"] = [*result.get("diff", []), {"prepared": text}]
    return result


def _restart(action: GridAction, service: dict[str, Any], managed: bool) -> None:
    module = "ansible.builtin.systemd_service" if managed else "ansible.builtin.service"
    result = action.execute(module, {"name": service["name"], "state": service["state"]})
    if result.get("failed"):
        cause = " ".join(str(result.get("msg", f"{module} gave no reason")).split())
        again = "The next run tries again." if managed else "There is no systemd, so no later run tries again."
        service.update(failed=True, msg=f"the {_verb(service)} of {service['name']} failed: {cause} {again}")


def _add_failures(result: dict[str, Any], messages: list[str]) -> None:
    if messages:
        before = [result["msg"]] if result.get("failed") else []
        result.update(failed=True, msg="\n".join(before + messages))
