# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the VOMS files of a node from the options of a task: vomses files, and LSC files of each VO.

Packages and sites also configure VOs in these directories. So a node whose files differ sends their contents, and the
controller decides about each line by the VO that the line is about.
"""

from __future__ import annotations

import os
from typing import Any, Callable

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.plugin_utils._action import managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared
from ansible_collections.grid.security.plugins.plugin_utils._voms import (
    known_vos,
    vo_import,
    vo_purge,
    voms_files,
    voms_report,
    vos,
)
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.voms_comparison import ComparedVo, Comparison
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Vo

__all__ = ["place", "read_options"]

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
_MANY_WRONG = "{} VOs are defined wrongly and left as they are"


def place(action: GridAction, arguments: dict[str, Any]) -> Exchange:
    """Return the exchange that makes the VOMS files of a node."""
    return _VomsClient(action, arguments)


class _VomsClient(Exchange):
    """Compare each directory by one digest. VOs that no source names are compared in a further call."""

    def __init__(self, action: GridAction, arguments: dict[str, Any]) -> None:
        self._action, self._options = action, read_options(arguments)
        self._mistakes = Mistakes()
        self._named: list[Vo] = []
        self._warnings: list[str] = []
        self._search: vo_purge.Search | None = None
        self._unnamed = vo_purge.Unnamed()

    def request(self) -> Request:
        self._named, self._warnings = _gather(self._options, self._action.find, self._mistakes)
        self._vomses_directory = voms_files.vomses_directory(self._named, self._options["vomses_path"])
        self._lsc = [(vo, voms_files.lsc_directory(vo, self._options["vomsdir_path"])) for vo in self._named]
        self._vomsdir = vo_purge.vomsdir(self._named, self._options["vomsdir_path"])
        purged = [self._vomsdir] if self._options["purge"] else []
        directories = [self._vomses_directory, *(directory for _vo, directory in self._lsc), *purged]
        return Request([directory.compare_set for directory in directories])

    def supply(self, outcomes: Outcomes) -> Request:
        _refuse_other_than_directory(self._options["vomses_path"], outcomes[0])
        managed_directory.raise_failure(outcomes)
        self._vomses = Compared(self._vomses_directory, outcomes[0])
        pairs = zip(self._lsc, outcomes[1:])
        self._vos = [ComparedVo(vo, Compared(directory, outcome)) for (vo, directory), outcome in pairs]
        if self._options["purge"]:
            self._search = self._search_for_unnamed(Compared(self._vomsdir, outcomes[-1]))
        if self._search and self._search.directories:
            return Request([directory.compare_set for directory in self._search.directories.values()])
        return self._changes()

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        if self._search and self._search.directories:
            self._unnamed = self._search.unnamed(outcomes)
            changes = self._changes()
            outcomes = send(changes.sets, changes.contents) if changes.sets else []
        managed_directory.raise_failure(outcomes)
        warnings = self._warnings + self._comparison.warnings + self._unnamed.warnings
        report = voms_report.result(self._comparison, warnings, self._action.diff)
        return _with_failures(report, self._mistakes, self._unnamed.refusal)

    def _search_for_unnamed(self, vomsdir: Compared) -> vo_purge.Search:
        vomses_files = vo_purge.VomsesFiles(self._options["vomses_path"], voms_files.found(self._vomses))
        return vo_purge.Search(self._options["allow_shrink"], self._named, self._mistakes, vomses_files, vomsdir)

    def _changes(self) -> Request:
        self._comparison = Comparison(self._vomses, [*self._vos, *self._unnamed.vos])
        if self._action.check_mode:
            return Request([])
        return Request(self._comparison.file_sets, self._comparison.contents)


def _with_failures(report: dict[str, Any], mistakes: Mistakes, refusal: str) -> dict[str, Any]:
    """Return the result, failed if a VO is defined wrongly. The present files of these VOs are left as they are."""
    lines = []
    if mistakes.messages:
        number = len(mistakes.messages)
        wrong = "1 VO is defined wrongly and left as it is" if number == 1 else _MANY_WRONG.format(number)
        lines += [f"{wrong}; the others are done.", *(f"- {message}" for message in mistakes.messages)]
    lines += [message for message in (mistakes.of_import, refusal) if message]
    if not lines:
        return report
    return {**report, "failed": True, "error_code": mistakes.error_code or "shrink", "msg": "\n".join(lines)}


def read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the complete options.

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


def _gather(options: dict[str, Any], find: Callable[[str], str], mistakes: Mistakes) -> tuple[list[Vo], list[str]]:
    """Return all VOs of the sources, those of ``vos`` before imported VOs, and warnings.

    :param find: as :meth:`GridAction.find`. :param mistakes: as of :func:`vos.define`.
    :raises GridSecurityError: ``no_vos``, and the error codes of :mod:`vos` and :mod:`vo_import`.
    """
    defined = vos.define(options["vos"], mistakes)
    imported, warnings = _import(options, find, mistakes) if options["import_vomses"] else ([], [])
    named = [*defined, *imported]
    if not named and mistakes.error_code:
        raise GridSecurityError(mistakes.error_code, "\n".join(mistakes.all_messages))
    if not named and not options["purge"]:
        raise GridSecurityError("no_vos", "no VO is named. Give vos, or import_vomses and import_vomsdir.")
    return named, warnings + known_vos.warnings(named)


def _import(options: dict[str, Any], find: Callable[[str], str], mistakes: Mistakes) -> tuple[list[Vo], list[str]]:
    # Also the VOs that are defined wrongly.
    own = {str(vo.get("name") if isinstance(vo, dict) else vo) for vo in options["vos"]}
    try:
        sources = find(options["import_vomses"]), find(options["import_vomsdir"])
        return vo_import.read(*sources, options["import_vos"], own, mistakes)
    except (AnsibleActionFail, GridSecurityError) as error:
        mistakes.of_import = str(error)
        return [], []


def _refuse_other_than_directory(path: str, outcome: dict[str, Any]) -> None:
    """Refuse a vomses file in place of the directory.

    Clients read such a file, too. This collection writes a file for each VO, because such files are compared by digest.

    :raises GridSecurityError: ``not_a_directory``.
    """
    if outcome.get("error_code") == "not_a_directory":
        raise GridSecurityError(
            "not_a_directory",
            f"{path} on the node is no directory. If it is a file, which clients read in a directory as well: mv {path}"
            f" {path}.site && mkdir -m 0755 {path} && mv {path}.site {path}/site. If it is a link, name the real"
            " directory in vomses_path.",
        )
