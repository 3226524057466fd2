# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.trust_anchors: render on the controller, compare by one digest, send files that differ."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_anchors


class ActionModule(GridAction):
    """Make a trust directory from sources, and copies of its CAs for other programs."""

    def perform(self) -> dict[str, Any]:
        return self.run_exchange(trust_anchors.place(self, self.arguments))
