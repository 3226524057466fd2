# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.pkcs12_pem: convert archives on the controller, place the files on the node."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action import restarts
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._credential import credential_report, credentials


class ActionModule(GridAction):
    """Places credentials from PKCS#12 archives, or removes them."""

    def perform(self) -> dict[str, Any]:
        result = self.run_exchange(credentials.place(self, self.arguments))
        return credential_report.shortened(restarts.carry_out(self, result))
