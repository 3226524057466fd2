# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all actions of this collection do around their work."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["GridAction"]


class GridAction(ActionBase):
    """Turns errors into results, and leaves no temporary directory on the node."""

    TRANSFERS_FILES = False

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The task's result; what it is, :meth:`work` says."""
        super().run(tmp, task_vars)
        try:
            return self.work(task_vars or {})
        except GridSecurityError as error:
            return {"failed": True, "kind": error.kind, "msg": error.message}
        except AnsibleActionFail as error:
            return {**error.result, "failed": True, "msg": str(error)}
        except AnsibleError as error:
            return {"failed": True, "msg": str(error)}
        finally:
            self._remove_tmp_path(self._connection._shell.tmpdir)

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The action itself.

        :raises GridSecurityError: or an error of ansible, which becomes a failed result.
        """
        raise NotImplementedError
