# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All parts of a node in one call: what the roles would do one after the other.

Each role says in its one task how its variables become options, and in its defaults what they are if nobody sets them.
Both are read here, so that there is nothing to keep in step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible.parsing.dataloader import DataLoader

from ansible_collections.grid.security.plugins.module_utils.conversation import Conversation, together
from ansible_collections.grid.security.plugins.plugin_utils import (
    credentials,
    grid_mapfile,
    option_names,
    trust_anchors,
    voms,
)
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction

__all__ = ["PARTS", "Part", "place"]

_REFERENCE = re.compile(r"\{\{ (\w+) \}\}")
_ROLES = Path(__file__).resolve().parents[2] / "roles"


@dataclass(frozen=True)
class Part:
    """What one role does. :param variables: one of them has to be set for a node to want it."""

    role: str
    variables: tuple[str, ...]
    place: Callable[[GridAction, dict[str, Any]], Conversation]


PARTS = (
    Part("trust_anchors", ("trust_anchors_sources",), trust_anchors.place),
    Part("voms_client", ("voms_client_vos", "voms_client_import_vomses"), voms.place),
    Part("host_credential", ("host_credential_src",), credentials.place),
    Part("user_credentials", ("user_credentials",), credentials.place),
    Part("grid_mapfile", ("grid_mapfile_path",), grid_mapfile.place),
)


def place(action: GridAction) -> Conversation:
    """Bring all parts that the node's variables ask for where they should be, and return the result."""
    chosen = [part for part in PARTS if any(action.template(action.task_vars.get(one)) for one in part.variables)]
    results = yield from together([_conversation(action, part) for part in chosen])
    result = _combined({part.role: result for part, result in zip(chosen, results)}, action.diff)
    if not chosen:
        variables = ", ".join(one for part in PARTS for one in part.variables)
        result["warnings"] = [f"nothing to do: none of {variables} is set."]
    return result


def _conversation(action: GridAction, part: Part) -> Conversation:
    """The part's, in which messages speak of the role's variables."""
    return option_names.spoken(part.role, part.place(action, _arguments(action, part)))


def _arguments(action: GridAction, part: Part) -> dict[str, Any]:
    """The options that the role's task would give its module."""
    task = _read(_ROLES / part.role / "tasks/main.yml")[0]
    (options,) = [value for key, value in task.items() if key.startswith("grid.security.")]
    defaults = _read(_ROLES / part.role / "defaults/main.yml")
    variables = {**defaults, **action.task_vars}
    referred = {name: _referred(value, variables) for name, value in options.items()}
    filled: dict[str, Any] = action.template(referred, defaults)
    return filled


def _referred(value: Any, variables: dict[str, Any]) -> Any:
    """What a template is a mere reference to: compiling those takes each host longer than all else here."""
    name = isinstance(value, str) and _REFERENCE.fullmatch(value)
    return variables.get(name[1], value) if name else value


def _read(path: Path) -> Any:
    try:
        return DataLoader().load_from_file(str(path), trusted_as_template=True)
    except TypeError:  # before ansible-core 2.19 everything is
        return DataLoader().load_from_file(str(path))


def _combined(parts: dict[str, dict[str, Any]], diff: bool) -> dict[str, Any]:
    result: dict[str, Any] = {
        "changed": any(one["changed"] for one in parts.values()),
        "warnings": [warning for one in parts.values() for warning in one.pop("warnings", [])],
        "parts": parts,
    }
    differences = [part for one in parts.values() for part in one.pop("diff", [])]
    if diff and differences:
        result["diff"] = differences
    failures = [f"{role}: {one['msg']}" for role, one in parts.items() if one.pop("failed", False)]
    if failures:
        result.update(failed=True, msg="\n".join(failures))
    return result
