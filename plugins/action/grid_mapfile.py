# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.grid_mapfile: map the subjects of credentials, and add lines of the site."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import grid_mapfile


class ActionModule(GridAction):
    """Map the subjects of certificates to accounts."""

    def perform(self) -> dict[str, Any]:
        return self.run_exchange(grid_mapfile.place(self, self.arguments))
