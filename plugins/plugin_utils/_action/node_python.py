# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explain why a module failed, if the Python of the node is too old.

The module cannot report this itself. With some old versions of Python, ansible-core stops before it runs code of the
module. With others, the module ends in a traceback. So the controller asks the interpreter for its version, but only
after a failure.
"""

from __future__ import annotations

import re
import shlex
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.grid.security.plugins.plugin_utils._action import ansible_internals

__all__ = ["complaint"]

_OLDEST = (3, 9)
_CODE = 'import sys; print("Python %d.%d.%d." % sys.version_info[:3])'  # for any version of Python
_ANSWER = re.compile(r"^Python (\d+)\.(\d+)\.(\d+)\.\s*$", re.MULTILINE)
_OWN_FAILURES = {"error_code", "sets", "credentials"}  # results of modules of this collection that ran
_TOO_OLD = (
    "the node has Python {0} ({1}), and grid.security needs Python 3.9 or newer: install a newer Python beside it, and"
    " set ansible_python_interpreter to the path of the newer Python."
)


def complaint(action: ActionBase, result: dict[str, Any], variables: dict[str, Any]) -> str | None:
    """Return the message that replaces the result of a module; None if the Python of the node is not the cause.

    :param variables: of the task.
    """
    if not result.get("failed") or result.keys() & _OWN_FAILURES:
        return None
    interpreter = _interpreter(action, variables)
    found = _version(action, interpreter) if interpreter else None
    if found is None or found >= _OLDEST:
        return None
    return _TOO_OLD.format(".".join(map(str, found)), interpreter)


def _interpreter(action: ActionBase, variables: dict[str, Any]) -> str | None:
    """Return the interpreter of the module. With Mitogen only the variables name it."""
    used = ansible_internals.used_interpreter(action) or variables.get("ansible_python_interpreter")
    if not used or str(used).startswith("auto"):
        used = variables.get("ansible_facts", {}).get("discovered_interpreter_python")
    return str(used).lstrip("#!") if used else None


def _version(action: ActionBase, interpreter: str) -> tuple[int, ...] | None:
    done = action._low_level_execute_command(f"{interpreter} -c {shlex.quote(_CODE)}", sudoable=True)
    answer = _ANSWER.search(done.get("stdout", ""))
    return tuple(map(int, answer.groups())) if answer else None
