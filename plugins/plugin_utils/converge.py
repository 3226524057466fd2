# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the engine: one module execution to compare, a second one with what is missing."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

__all__ = ["converge", "execute", "read_source"]


def execute(
    action: ActionBase, task_vars: dict[str, Any], sets: list[dict[str, Any]], contents: dict[str, str]
) -> list[dict[str, Any]]:
    """Run ``grid.security.file_set`` on the node and return its result for each set.

    :raises AnsibleActionFail: the module did not come as far as the sets (no Python, no sudo, ...).
    """
    arguments = {"sets": sets, "contents": contents}
    result = action._execute_module(module_name="grid.security.file_set", module_args=arguments, task_vars=task_vars)
    if "sets" not in result:
        raise AnsibleActionFail(result.get("msg", "the module file_set gave no result"), result=result)
    outcomes: list[dict[str, Any]] = result["sets"]
    return outcomes


def converge(action: ActionBase, task_vars: dict[str, Any], sets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Converge sets whose file entries carry ``content`` or ``src``; contents travel only where they are needed."""
    contents: dict[str, str] = {}
    digested = [{**one, "entries": [_digest(action, entry, contents) for entry in one["entries"]]} for one in sets]
    outcomes = execute(action, task_vars, digested, {})
    pending = [index for index, outcome in enumerate(outcomes) if outcome.get("needs")]
    if not pending or (action._task.check_mode and not action._task.diff):
        return outcomes
    needed = {digest: contents[digest] for index in pending for digest in outcomes[index]["needs"]}
    for index, outcome in zip(pending, execute(action, task_vars, [digested[i] for i in pending], needed)):
        outcomes[index] = outcome
    return outcomes


def _digest(action: ActionBase, entry: dict[str, Any], contents: dict[str, str]) -> dict[str, Any]:
    """The entry with a digest in place of its content, which goes to ``contents``."""
    if entry.get("state", "file") != "file":
        return entry
    rest = {name: value for name, value in entry.items() if name not in ("content", "src")}
    content = read_source(action, entry["src"]) if entry.get("src") else str(entry.get("content") or "").encode()
    digest = hashlib.sha256(content).hexdigest()
    contents[digest] = base64.b64encode(content).decode()
    return {**rest, "sha256": digest, "size": len(content)}


def read_source(action: ActionBase, src: str) -> bytes:
    """A file of the controller, found as ``copy`` finds it; a vaulted one is decrypted in memory only."""
    path = action._find_needle("files", src)
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise AnsibleActionFail(f"{src} cannot be read on the controller: {error.strerror}.") from error
    if data.startswith(b"$ANSIBLE_VAULT"):
        decrypted: bytes = action._loader._vault.decrypt(data, filename=path)
        return bytes(decrypted)
    return data
