# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.node: all that the variables of the roles ask for, in one call."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._node import node


class ActionModule(GridAction):
    """Brings a whole node where its variables want it."""

    def perform(self) -> dict[str, Any]:
        return node.place(self)
