# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.file_set: put digests in place of contents, converge on the node."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action import file_sets
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction


class ActionModule(GridAction):
    """Send the wanted files as digests, and contents only for files that differ."""

    def perform(self) -> dict[str, Any]:
        return self.run_exchange(file_sets.place(self))
