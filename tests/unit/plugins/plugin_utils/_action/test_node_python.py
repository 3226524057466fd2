# SPDX-License-Identifier: GPL-3.0-or-later
"""Test when the controller asks a node for the version of its Python, and the message that follows."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._action import node_python

FAILED = {"failed": True, "msg": "MODULE FAILURE", "module_stderr": "Traceback ..."}


class Action:
    """An action whose node answers each command with the same text."""

    def __init__(self, used: str | None = "#!/usr/bin/python3", answer: str = "Python 3.6.8.\n") -> None:
        self._used_interpreter = used
        self._answer = answer
        self.commands: list[str] = []

    def _low_level_execute_command(self, command: str, sudoable: bool) -> dict[str, Any]:
        assert sudoable, "with the same rights as the module"
        self.commands.append(command)
        return {"rc": 0, "stdout": self._answer}


@pytest.mark.parametrize(
    "result",
    [
        {"changed": False},
        {"failed": True, "error_code": "no_directory", "msg": "there is no directory"},
        {"failed": True, "sets": [], "msg": "one: no account"},
    ],
)
def test_no_question_if_the_module_ran(result: dict[str, Any]) -> None:
    action = Action()
    assert node_python.complaint(action, result, {}) is None
    assert action.commands == []


def test_version_path_and_remedy() -> None:
    said = node_python.complaint(Action(answer="Welcome to wn1\r\nPython 2.7.18.\r\n"), FAILED, {})
    assert said
    for part in ("Python 2.7.18 (/usr/bin/python3)", "needs Python 3.9 or newer", "ansible_python_interpreter"):
        assert part in said


@pytest.mark.parametrize("answer", ["Python 3.9.2.\n", "Python 3.13.0.\n", "Python 4.0.0.\n", "not found", ""])
def test_other_causes_stay(answer: str) -> None:
    assert node_python.complaint(Action(answer=answer), FAILED, {}) is None


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"ansible_python_interpreter": "/opt/python"}, "/opt/python"),
        ({"ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.6"}}, "/usr/bin/python3.6"),
        (
            {
                "ansible_python_interpreter": "auto_silent",
                "ansible_facts": {"discovered_interpreter_python": "/usr/bin/python3.6"},
            },
            "/usr/bin/python3.6",
        ),
    ],
)
def test_interpreter_that_ansible_does_not_tell(variables: dict[str, Any], path: str) -> None:
    said = node_python.complaint(Action(used=None), FAILED, variables)
    assert said
    assert f"({path})" in said
    assert node_python.complaint(Action(used=None), FAILED, {}) is None


def test_the_command_works_in_a_shell() -> None:
    action = Action(used=f"#!{sys.executable}")
    node_python.complaint(action, FAILED, {})
    done = subprocess.run(["/bin/sh", "-c", action.commands[0]], capture_output=True, text=True, check=True)
    assert done.stdout == "Python {}.{}.{}.\n".format(*sys.version_info)
