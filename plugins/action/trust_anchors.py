# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid.security.trust_anchors: render on the controller, compare by one digest, send what differs."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import (
    converge,
    places,
    shadows,
    system_store,
    trust_anchors,
    trust_store,
)
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction


class ActionModule(GridAction):
    """Makes a trust directory, and what else should hold the same CAs, what the sources say."""

    def work(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        options = trust_anchors.read_options(self._task.args)
        family = system_store.detect(self, task_vars) if options["system_store"] else None
        wanted, warnings = trust_anchors.render(self, options, family)
        comparisons = [places.compare_set(one) for one in wanted] + shadows.compare_sets(options["accounts"])
        outcomes = converge.execute(self, task_vars, comparisons, {})
        warnings += shadows.warnings(outcomes[len(wanted) :], options["path"])
        places.raise_failure(outcomes[: len(wanted)])
        updates = [trust_store.Update(*pair, purge=options["purge"]) for pair in zip(wanted, outcomes)]
        if not options["allow_shrink"]:
            trust_store.refuse_shrinking(wanted[0].wanted, updates[0].found)
        changed = [update for update in updates if update.is_needed]
        if changed and not self._task.check_mode:
            self._apply(task_vars, changed, family)
        return trust_anchors.result(updates, warnings, self._task.diff)

    def _apply(self, task_vars: dict[str, Any], changed: list[trust_store.Update], family: str | None) -> None:
        contents = {digest: content for one in changed for digest, content in one.contents.items()}
        sets = [places.update_set(one.place, one.entries) for one in changed if one.entries]
        if sets:
            places.raise_failure(converge.execute(self, task_vars, sets, contents))
        for update in changed:
            if family and update.place.name == system_store.NAME:
                self._refresh(task_vars, update, family)

    def _refresh(self, task_vars: dict[str, Any], update: trust_store.Update, family: str) -> None:
        """Let the system take up its new files, and see that it did."""
        system_store.refresh(self, task_vars, family, update.place, update.found)
        (after,) = converge.execute(self, task_vars, [places.compare_set(update.place)], {})
        places.raise_failure([after])
        if after.get("missing"):
            raise GridSecurityError(
                "not_in_system_store",
                f"{update.place.bundle} lacks {', '.join(after['missing'])} although it was made anew. Look for rules"
                " of the system that exclude them.",
            )
