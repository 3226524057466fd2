# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.pkcs12_pem: render on the controller, converge on the node."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils import credentials
from ansible_collections.grid.security.plugins.plugin_utils import accounts, converge
from ansible_collections.grid.security.plugins.plugin_utils import credentials as rendering
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction


class ActionModule(GridAction):
    """Renders archives of the controller itself; leaves those with ``remote_src`` to the module on the node."""

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = rendering.read_options(self._task.args)
        results = self._place(options, task_vars)
        missing = [index for index, result in enumerate(results) if accounts.is_missing(options[index], result)]
        for index in missing:
            results[index] = self._place_with_account(options[index], results[index], task_vars)
        return credentials.combine(results, "credentials" in self._task.args, self._task.diff)

    def _place(self, options: list[dict[str, Any]], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        results: dict[int, dict[str, Any]] = {}
        for remote, run in ((False, self._converge), (True, self._convert_on_node)):
            chosen = [index for index, one in enumerate(options) if one["remote_src"] is remote]
            if chosen:
                results.update(zip(chosen, run([options[index] for index in chosen], task_vars)))
        return [results[index] for index in range(len(options))]

    def _place_with_account(
        self, options: dict[str, Any], result: dict[str, Any], task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        failure = accounts.create(self, task_vars, options)
        if failure is not None:
            return {**result, "msg": f"{credentials.label(options)}: {failure}"}
        if self._task.check_mode:  # there is no account yet to look into
            kept = {name: value for name, value in result.items() if name not in ("failed", "kind", "msg")}
            return {**kept, "changed": True, "why": ["account created"]}
        (placed,) = self._place([options], task_vars)
        return {**placed, "changed": True, "why": ["account created", *placed.get("why", [])]}

    def _converge(self, options: list[dict[str, Any]], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
            return converge.execute(self, task_vars, sets, contents)

        return credentials.converge(options, lambda one: rendering.render(self, one), send, self._task.check_mode)

    def _convert_on_node(self, options: list[dict[str, Any]], task_vars: dict[str, Any]) -> list[dict[str, Any]]:
        arguments = {"credentials": options}
        result = self._execute_module(
            module_name="grid.security.pkcs12_pem", module_args=arguments, task_vars=task_vars
        )
        if "credentials" not in result:
            raise AnsibleActionFail(result.get("msg", "the module pkcs12_pem gave no result"), result=result)
        done: list[dict[str, Any]] = result["credentials"]
        return done
