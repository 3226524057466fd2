# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VOMS clients on the controller: options, the VOs they amount to, and the task's result."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Callable

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.plugin_utils._action import places
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Facts
from ansible_collections.grid.security.plugins.plugin_utils._voms import known_vos, vo_import, vo_purge, voms_files, vos
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.voms_files import Change, Comparison
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Line, Vo, lines

__all__ = ["gather", "place", "read_options", "result"]

OPTIONS: dict[str, dict[str, Any]] = {
    "vos": {"type": "list", "elements": "raw", "default": []},
    "vomses_path": {"type": "str", "default": "/etc/vomses"},
    "vomsdir_path": {"type": "str", "default": "/etc/grid-security/vomsdir"},
    "import_vomses": {"type": "str"},
    "import_vomsdir": {"type": "str"},
    "import_vos": {"type": "list", "elements": "str"},
    "purge": {"type": "bool", "default": False},
    "allow_shrink": {"type": "bool", "default": False},
}
_UNWANTED = "unwanted"
_MANY_WRONG = "{} VOs are defined wrongly and left as they are"


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Make what a node knows of the VOs what the options say, and return the result."""
    options = read_options(arguments)
    mistakes = Mistakes()
    named, warnings = gather(options, action.find, mistakes)
    layout = voms_files.layout(named, options["vomses_path"], options["vomsdir_path"])
    looked_at = [vo_purge.overview(named, options["vomsdir_path"])] if options["purge"] else []
    outcomes = yield Request([places.compare_set(one) for one in [*layout, *looked_at]])
    _refuse_other_than_directory(options["vomses_path"], outcomes[0])
    places.raise_failure(outcomes)
    unnamed = vo_purge.Unnamed()
    if looked_at:
        tables = voms_files.found(layout[0], outcomes[0])
        unnamed = yield from vo_purge.look(options, named, mistakes, tables, outcomes.pop())
    wanted, outcomes = [*layout, *unnamed.places], [*outcomes, *unnamed.outcomes]
    found = [voms_files.found(*pair) for pair in zip(wanted, outcomes)]
    comparison = Comparison([*named, *unnamed.vos], wanted, found, unnamed.emptied)
    if comparison.changes and not action.check_mode:
        contents = {one.after["sha256"]: one.after["content"] for one in comparison.changes if one.after}
        updates = voms_files.update_sets(wanted, comparison.changes, outcomes)
        places.raise_failure((yield Request(updates, contents)))
    told = result(comparison, warnings + comparison.warnings + unnamed.warnings, action.diff, len(unnamed.vos))
    return _with_failures(told, mistakes, unnamed.refusal)


def _with_failures(told: dict[str, Any], mistakes: Mistakes, refusal: str) -> dict[str, Any]:
    """The result, failed if a VO is defined wrongly. The present files of these VOs were left as they are."""
    lines = []
    if mistakes.messages:
        number = len(mistakes.messages)
        wrong = "1 VO is defined wrongly and left as it is" if number == 1 else _MANY_WRONG.format(number)
        lines.append(f"{wrong}; the others are done.")
        lines += [f"- {one}" for one in mistakes.messages]
    lines += [one for one in (mistakes.of_import, refusal) if one]
    return (
        {**told, "failed": True, "error_code": mistakes.error_code or "shrink", "msg": "\n".join(lines)}
        if lines
        else told
    )


def read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """The complete options.

    :raises AnsibleActionFail: an option is unknown, of the wrong type, missing, or does not fit another.
    """
    pair = ("import_vomses", "import_vomsdir")
    options = validated(
        OPTIONS, arguments, "", "voms_client", required_together=[pair], required_by={"import_vos": pair}
    )
    for name in ("vomses_path", "vomsdir_path"):
        if not os.path.isabs(options[name]):
            raise AnsibleActionFail(f"{name}: {options[name]} must be an absolute path of the node.")
        options[name] = os.path.normpath(options[name])
    vomses, vomsdir = options["vomses_path"], options["vomsdir_path"]
    if os.path.commonpath([vomses, vomsdir]) in (vomses, vomsdir):
        raise AnsibleActionFail(f"vomses_path {vomses} and vomsdir_path {vomsdir} must not lie in each other.")
    return options


def gather(
    options: dict[str, Any], find: Callable[[str], str], mistakes: Mistakes | None = None
) -> tuple[list[Vo], list[str]]:
    """All VOs to be managed, those of ``vos`` before imported ones, and warnings.

    :param find: as :meth:`GridAction.find`. :param mistakes: as of :func:`vos.define`.
    :raises GridSecurityError: ``no_vos``, and the kinds of :mod:`vos` and :mod:`vo_import`.
    """
    mistakes = Mistakes() if mistakes is None else mistakes
    defined = vos.define(options["vos"], mistakes)
    imported, warnings = _import(options, find, mistakes) if options["import_vomses"] else ([], [])
    named = [*defined, *imported]
    if not named and mistakes.error_code:
        raise GridSecurityError(mistakes.error_code, "\n".join(mistakes.all_messages))
    if not named and not options["purge"]:
        raise GridSecurityError("no_vos", "no VO is named. Give vos, or import_vomses and import_vomsdir.")
    return named, warnings + known_vos.warnings(named)


def _import(options: dict[str, Any], find: Callable[[str], str], mistakes: Mistakes) -> tuple[list[Vo], list[str]]:
    # Also those that are defined wrongly.
    own = {str(one.get("name") if isinstance(one, dict) else one) for one in options["vos"]}
    try:
        sources = find(options["import_vomses"]), find(options["import_vomsdir"])
        return vo_import.read(*sources, options["import_vos"], own, mistakes)
    except (AnsibleActionFail, GridSecurityError) as error:
        mistakes.of_import = str(error)
        return [], []


def _refuse_other_than_directory(path: str, outcome: dict[str, Any]) -> None:
    """Clients read a plain file too. Here every VO has a file of its own, because that can be compared by its bytes."""
    if outcome.get("error_code") == "not_a_directory":
        raise GridSecurityError(
            "not_a_directory",
            f"{path} on the node is no directory. If it is a file, which clients read in a directory as well: mv {path}"
            f" {path}.site && mkdir -m 0755 {path} && mv {path}.site {path}/site. If it is a link, name the real"
            " directory in vomses_path.",
        )


def result(comparison: Comparison, warnings: list[str], diff: bool, purged: int = 0) -> dict[str, Any]:
    """The task's result. :param purged: how many of the last VOs are removed because no source names them."""
    changes = comparison.changes
    told: dict[str, Any] = {"changed": bool(changes), "warnings": warnings}
    told["vos"] = [_describe(comparison, index, changes) for index in range(len(comparison.vos))]
    for one in told["vos"][len(told["vos"]) - purged :]:
        one["changes"] = [vo_purge.GONE, *(why for why in one["changes"] if why != _UNWANTED)]
    names = [one["name"] for one in told["vos"] if one["changed"]]
    number = "1 VO" if len(told["vos"]) == 1 else f"{len(told['vos'])} VOs"
    told["summary"] = [f"{number}, {len(names)} changed: {', '.join(names)}" if names else f"{number}, none changed"]
    if diff and changes:
        told["diff"] = [{"prepared": "".join(change.diff for change in changes)}]
    return told


def _describe(comparison: Comparison, index: int, changes: list[Change]) -> dict[str, Any]:
    """What becomes of one VO, in words."""
    vo, place, lscs = comparison.vos[index], comparison.wanted[index + 1], comparison.found[index + 1]
    own = [change for change in changes if vo.name in change.vos]
    why = _reasons(_servers(comparison.entries(vo), lscs), _servers(lines(vo.vomses.encode()), place.wanted))
    why += [f"unwanted entries in {path}" for path in comparison.shared(vo)]
    return {"name": vo.name, "changed": bool(own), "changes": why or [str(change) for change in own]}


def _servers(entries: Iterable[Line], lscs: Facts) -> dict[str, dict[str, set[str]]]:
    """What is said on each host: its entries, and the digest of its LSC file."""
    known: dict[str, dict[str, set[str]]] = {}
    for line in entries:
        said = known.setdefault(line.fields[1], {})
        said.setdefault("vomses entry", set()).add(" ".join(line.fields[:5]))
    for name, facts in lscs.items():
        host, ending = os.path.splitext(name)
        if ending == voms_files.LSC:
            known.setdefault(host, {})["LSC file"] = {facts.get("sha256") or facts["kind"]}
    return known


def _reasons(before: dict[str, dict[str, set[str]]], after: dict[str, dict[str, set[str]]]) -> list[str]:
    """Say how a VO differs from its definition. The words hold before the change and after it."""
    if after and not before:
        return ["missing"]
    if before and not after:
        return [_UNWANTED]
    return [text for host in sorted({*before, *after}) for text in _reasons_of(host, before.get(host), after.get(host))]


def _reasons_of(host: str, before: dict[str, set[str]] | None, after: dict[str, set[str]] | None) -> Iterable[str]:
    if before is None or after is None:
        yield f"server {host} {'missing' if before is None else _UNWANTED}"
        return
    for part in sorted({*before, *after}):
        if before.get(part) != after.get(part):
            yield f"server {host}: {part} {_deed(before.get(part))}"


def _deed(before: set[str] | None) -> str:
    """Say what is wrong with entries or with an LSC file.

    :param before: the entries; or the digest of the LSC file, or its kind if it was no file; None if there was nothing.
    """
    if before is None:
        return "missing"
    return "now a file, was a link" if before == {"link"} else "differs"
