# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.trust_anchors: render on the controller, compare by one digest, send what differs."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import converge, trust_anchors, trust_store


class ActionModule(ActionBase):
    """Makes a trust directory what its sources say."""

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        super().run(tmp, task_vars)
        try:
            return self._run(task_vars or {})
        except GridSecurityError as error:
            return {"failed": True, "kind": error.kind, "msg": error.message}
        except AnsibleActionFail as error:
            return {**error.result, "failed": True, "msg": str(error)}
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def _run(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = trust_anchors.read_options(self._task.args)
        rendered = trust_anchors.render(self, options)
        wanted = rendered["wanted"]
        outcome = self._execute(task_vars, trust_anchors.compare_set(options, wanted), {})
        found = outcome.get("found", {}) if outcome["changed"] else wanted
        if not options["purge"]:
            found = {name: facts for name, facts in found.items() if name in wanted}
        if not options["allow_shrink"]:
            trust_store.refuse_shrinking(wanted, found)
        entries, contents = trust_store.difference(wanted, found)
        if entries and not self._task.check_mode:
            self._execute(task_vars, trust_anchors.update_set(options, entries), contents)
        return self._result(bool(entries), trust_anchors.describe(wanted, found), rendered["warnings"])

    def _execute(self, task_vars: dict[str, Any], one: dict[str, Any], contents: dict[str, str]) -> dict[str, Any]:
        (outcome,) = converge.execute(self, task_vars, [one], contents)
        if outcome.get("failed"):
            raise GridSecurityError(outcome["kind"], f"{one['name']}: {outcome['msg']}")
        return outcome

    def _result(self, changed: bool, what: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
        result = {"changed": changed, "warnings": warnings, **what}
        if self._task.diff and changed:
            lines = [
                f"{sign} {one['alias']} ({one['sha256_fingerprint']})\n"
                for sign, key in (("-", "removed"), ("+", "added"), ("~", "replaced"))
                for one in what[key]
            ]
            result["diff"] = [{"prepared": "".join(lines) or "links, policies or modes only\n"}]
        return result
