# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.file_set: put digests in place of contents, converge on the node."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.plugin_utils import converge
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction


class ActionModule(GridAction):
    """Sends what is to be there as digests, and contents only for what differs."""

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        return self._combine(converge.converge(self, task_vars, self._sets()))

    def _sets(self) -> list[dict[str, Any]]:
        sets = self._task.args.get("sets")
        if not isinstance(sets, list) or not all(isinstance(one.get("entries"), list) for one in sets):
            raise AnsibleActionFail("sets must be a list of dictionaries, each with a list of entries.")
        return sets

    def _combine(self, outcomes: list[dict[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {"changed": any(one["changed"] for one in outcomes), "sets": outcomes}
        diff = [part for one in outcomes for part in one.pop("diff", [])]
        if diff:
            result["diff"] = diff
        failures = [f"{one['name']}: {one['msg']}" for one in outcomes if one.get("failed")]
        if failures:
            result.update(failed=True, msg="\n".join(failures))
        return result
