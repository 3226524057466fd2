# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.crls: fetch and check on the controller, compare by one digest, send what differs."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._crl import crls


class ActionModule(GridAction):
    """Places the CRLs of the CAs that the sources have."""

    def converse(self) -> Conversation:
        return crls.place(self, self.arguments)
