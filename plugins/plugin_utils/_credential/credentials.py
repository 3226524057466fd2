# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place the credentials of a task, keep the record of them, and report."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential.deploy import Results
from ansible_collections.grid.security.plugins.module_utils._credential.options import LIST_OPTIONS
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.plugin_utils._action import restarts, run_register
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._credential import credential_report
from ansible_collections.grid.security.plugins.plugin_utils._credential.placing import Placing
from ansible_collections.grid.security.plugins.plugin_utils._credential.purge import RecordedExchange
from ansible_collections.grid.security.plugins.plugin_utils._credential.task_options import read_options

__all__ = ["TaskExchange", "place"]


def place(action: GridAction, arguments: dict[str, Any]) -> Exchange:
    """Return the exchange that places the credentials of a task, or removes them.

    Services are left to :func:`restarts.carry_out`, which is called when everything else is done.
    """
    return TaskExchange(action, arguments)


class TaskExchange(Exchange):
    """The exchange of a task: its credentials, the record of placed credentials, and the task's result."""

    def __init__(self, action: GridAction, arguments: dict[str, Any]) -> None:
        self._action = action
        self._is_list = "credentials" in arguments
        self._options = read_options(arguments)
        of_list = validated(LIST_OPTIONS, {name: arguments[name] for name in LIST_OPTIONS if name in arguments})
        self._is_reviewed = True
        placing = Placing(action, self._options, self._end_review)
        self._record: RecordedExchange | None = None
        if of_list["record"] or of_list["purge"]:
            self._record = RecordedExchange(placing, self._options, of_list, action.check_mode)
        self._exchange: Exchange = self._record or placing

    def request(self) -> Request:
        self._begin_review()
        return self._exchange.request()

    def supply(self, outcomes: Outcomes) -> Request:
        return self._exchange.supply(outcomes)

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        found: Results = self._exchange.result(outcomes, send)
        results = [found[options] for options in self._options]
        services = restarts.take(results, self._action.check_mode)
        combined = credential_report.combine(results, self._is_list, self._action.diff)
        if services:
            combined["services"] = services
        return self._record.add_to(combined, self._action.diff) if self._record else combined

    def close(self) -> None:
        self._end_review()
        run_register.save(self._action.host, self._action.register)

    def _begin_review(self) -> None:
        """Make the grid-mapfile of the same node wait until all credentials are reviewed."""
        self._is_reviewed = False
        self._action.register.unreviewed += 1

    def _end_review(self) -> None:
        """End the review. Further calls do nothing."""
        if not self._is_reviewed:
            self._is_reviewed = True
            self._action.register.unreviewed -= 1
