# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide with whose rights a file set is handled.

The rights are those of the set's owner. Where only root can change anything, root works, and gives the files to the
owner.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Union

from ansible_collections.grid.security.plugins.module_utils._files import accounts, directories
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Job
from ansible_collections.grid.security.plugins.module_utils._files.resolved_set import RefusedSet, ResolvedSet
from ansible_collections.grid.security.plugins.module_utils._files.run_as import Runner

__all__ = ["decide"]

_LIMIT = 5.0  # seconds to find out who can change a directory

AnySet = Union[ResolvedSet, RefusedSet]


def decide(sets: list[AnySet]) -> list[AnySet]:
    """Return the sets; sets in directories of root have root's account."""
    with Runner(_can_only_root_change, secret=False) as runner:
        return [_as_root(file_set) if _belongs_to_root(file_set, runner) else file_set for file_set in sets]


def _belongs_to_root(file_set: AnySet, runner: Runner) -> bool:
    """Tell whether only root can change anything at all paths of a set of another user.

    A process of its own looks, because the path may lead to a file system that never answers.
    """
    if isinstance(file_set, RefusedSet) or not _may_belong_to_root(file_set):
        return False
    job = Job(accounts.find_account(None), {"paths": _directories(file_set)}, _LIMIT, apart=True)
    return runner.run(job).get("only_root") is True


def _may_belong_to_root(file_set: ResolvedSet) -> bool:
    is_home = (file_set.fields.get("directory") or "/").startswith("~")
    return os.geteuid() == 0 and not file_set.account.is_caller and not is_home


def _directories(file_set: ResolvedSet) -> list[str]:
    """Return the directories in which the set may change something."""
    return sorted({os.path.dirname(entry["path"]) for entry in file_set.entries} or {file_set.directory})


def _can_only_root_change(argument: dict[str, Any]) -> dict[str, Any]:
    return {"only_root": all(directories.can_only_root_change(path) for path in argument["paths"])}


def _as_root(file_set: AnySet) -> AnySet:
    """Return the set as root handles it for its owner."""
    if isinstance(file_set, RefusedSet):
        return file_set
    entries = [_given_to(file_set.account.name, entry) for entry in file_set.entries]
    return dataclasses.replace(file_set, account=accounts.find_account(None), entries=entries)


def _given_to(owner: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of root. The owner owns the files and can reach them."""
    if entry["state"] == "file":
        return {"owner": owner, **entry}
    return {"initial_mode": "0755", **entry} if entry["state"] == "directory" else entry
