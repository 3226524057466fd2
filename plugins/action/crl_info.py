# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.crl_info: execute the module, and explain the failure if the Python of the node is too old."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action.normal import ActionModule as ActionOfModules

from ansible_collections.grid.security.plugins.plugin_utils._action import node_python


class ActionModule(ActionOfModules):  # type: ignore[misc]  # ansible has no types
    """Execute the module on the node."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        variables = {
            **(task_vars or {}),
            "mitogen_task_isolation": "fork",
        }  # for a process of its own
        result: dict[str, Any] = super().run(tmp, variables)
        message = node_python.complaint(self, result, variables)
        return {"failed": True, "error_code": "old_python", "msg": message} if message else result
