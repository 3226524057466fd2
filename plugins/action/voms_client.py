# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.voms_client: render on the controller, compare, send files that differ."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms


class ActionModule(GridAction):
    """Make the vomses and LSC files of VOs from their definitions."""

    def perform(self) -> dict[str, Any]:
        return self.run_exchange(voms.place(self, self.arguments))
