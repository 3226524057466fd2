# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the restarts that follow the engine's report on services."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.plugin_utils._action import restarts


class Action:
    """An action whose modules fail as they are told, and that remembers what it executed."""

    def __init__(self, *failing: str, check_mode: bool = False, diff: bool = False) -> None:
        self.failing, self.check_mode, self.diff = failing, check_mode, diff
        self.executed: list[tuple[str, dict[str, Any]]] = []

    def execute(self, module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.executed.append((module, arguments))
        failed = arguments["name"] in self.failing
        return {"failed": failed, **({"msg": "Unable to start it.\nSee the journal."} if failed else {})}


def told(name: str, status: str, state: str = "restarted", **fields: str) -> dict[str, str]:
    unit = {} if status == "unmanaged" else {"unit": f"{name}.service"}
    return {"name": name, "state": state, "status": status, "reason": "it is old", **unit, **fields}


def credential(*services: dict[str, str], changed: bool = False) -> dict[str, Any]:
    return {"changed": changed, "services": list(services)}


def carry_out(action: Any, *credentials: dict[str, Any], **result: Any) -> dict[str, Any]:
    services = restarts.take(list(credentials), action.check_mode)
    return restarts.carry_out(action, {"changed": False, "services": services, **result})


def test_one_credential_is_enough_to_owe_a_restart_and_one_restart_is_enough() -> None:
    action = Action()
    result = carry_out(action, credential(told("x", "current")), *[credential(told("x", "owed"))] * 2)
    assert action.executed == [("ansible.builtin.systemd_service", {"name": "x", "state": "restarted"})]
    assert result["changed"] and not result.get("failed")
    assert [(one["owed"], one["changed"]) for one in result["services"]] == [(True, True)]


@pytest.mark.parametrize("status", ["current", "stopped"])
def test_nothing_is_restarted_that_owes_nothing(status: str) -> None:
    action = Action()
    result = carry_out(action, credential(told("x", status), changed=True))
    assert action.executed == []
    assert not result["changed"]


def test_names_of_one_unit_are_one_service_and_a_restart_includes_a_reload() -> None:
    action = Action()
    alias = told("alias", "owed", "reloaded", unit="x.service")
    carry_out(action, credential(alias, told("x", "owed")))
    assert action.executed == [("ansible.builtin.systemd_service", {"name": "alias", "state": "restarted"})]


def test_without_systemd_what_changed_in_this_run_decides() -> None:
    action = Action("x")
    carry_out(action, credential(told("x", "unmanaged")))
    assert action.executed == []
    result = carry_out(action, credential(told("x", "unmanaged"), changed=True))
    assert action.executed == [("ansible.builtin.service", {"name": "x", "state": "restarted"})]
    assert "There is no systemd, so no later run tries again" in result["msg"]


def test_a_restart_that_fails_is_told_beside_what_else_failed_and_stops_no_other() -> None:
    action = Action("x", "y")
    services = credential(told("x", "owed"), told("y", "owed", "reloaded"), told("z", "owed"))
    result = carry_out(action, services, failed=True, msg="1 of 2 credentials failed")
    assert [arguments["name"] for _module, arguments in action.executed] == ["x", "y", "z"]
    assert result["failed"] and result["changed"]
    assert result["msg"].splitlines() == [
        "1 of 2 credentials failed",
        "the restart of x failed: Unable to start it. See the journal. The next run tries again.",
        "the reload of y failed: Unable to start it. See the journal. The next run tries again.",
    ]
    assert [one["changed"] for one in result["services"]] == [False, False, True]


def test_a_systemd_that_does_not_answer_is_an_error_and_nothing_is_restarted() -> None:
    action = Action()
    result = carry_out(action, credential(told("x", "unclear"), changed=True))
    assert action.executed == []
    assert result["failed"]
    assert result["msg"] == "whether x has to be restarted is not known: it is old."


def test_check_mode_tells_and_restarts_nothing() -> None:
    action = Action(check_mode=True, diff=True)
    services = [told("x", "current"), told("y", "owed"), told("z", "stopped"), told("u", "unmanaged")]
    result = carry_out(action, credential(*services, changed=True))
    assert action.executed == []
    assert result["changed"]
    assert result["diff"] == [
        {
            "prepared": "services\n# restart of x owed: its credential changed\n# restart of y owed: it is old\n"
            "# restart of u owed: its credential changed\n"
        }
    ]


def test_what_has_no_services_is_left_as_it_is() -> None:
    action: Any = SimpleNamespace(diff=True, check_mode=False)
    failed = {"failed": True, "msg": "x", "changed": False}
    assert restarts.carry_out(action, dict(failed)) == failed
    assert restarts.take([{"changed": True}], False) == []


def test_names_and_dictionaries() -> None:
    assert restarts.read(["x", {"name": "y", "state": "reloaded"}], "") == [
        {"name": "x", "state": "restarted"},
        {"name": "y", "state": "reloaded"},
    ]


@pytest.mark.parametrize(
    "service",
    [{"state": "restarted"}, "", ["x"], None, {"name": "x", "sate": "reloaded"}, {"name": "x", "state": "up"}],
)
def test_services_that_are_misspelt(service: Any) -> None:
    with pytest.raises(AnsibleActionFail, match=r"credentials\[3\]: services\[1\]"):
        restarts.read(["x", service], "credentials[3]: ")
