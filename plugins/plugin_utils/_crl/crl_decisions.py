# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide for each CRL file of a node whether it is replaced, removed or left as it is."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._files import manifest
from ansible_collections.grid.security.plugins.module_utils._trust import crl_store
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_fetching import FetchedCrl
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_warnings import Problem

__all__ = ["CrlDecision", "FileDecision", "decide"]

_UNKNOWN = dict.fromkeys(("number", "this_update", "next_update"))


@dataclass(frozen=True)
class FileDecision:
    """The decision about one file.

    :param after: the facts of the file after the run; None if there is no file.
    :param state: of the CRL after the run, as of :mod:`crl_store`.
    :param change: how the file changes; empty if it stays.
    :param objection: why the fetched CRL is not placed, in words that follow its URL.
    """

    name: str
    after: dict[str, Any] | None
    state: str
    change: str = ""
    objection: str = ""

    @property
    def entry(self) -> dict[str, Any]:
        """The engine's entry that makes the change."""
        return file_facts.entry(self.name, self.after)


@dataclass(frozen=True)
class CrlDecision:
    """The decisions about all files of one CRL. The state of the CRL is that of its worst file."""

    fetched: FetchedCrl
    files: list[FileDecision]

    @property
    def changed_files(self) -> list[FileDecision]:
        """The files that change."""
        return [file for file in self.files if file.change]

    @property
    def state(self) -> str:
        """The state of the CRL after the run."""
        return self._worst.state

    @property
    def known(self) -> dict[str, Any]:
        """``number``, ``this_update`` and ``next_update`` of the CRL after the run; None if they are not known."""
        return (self._worst.after or {}).get("crl") or _UNKNOWN

    @functools.cached_property
    def _worst(self) -> FileDecision:
        return max(self.files, key=lambda file: crl_store.STATES.index(file.state))

    @property
    def problem(self) -> Problem | None:
        """Why no CRL could be fetched, or why the fetched CRL is not placed."""
        objections = sorted({file.objection for file in self.files if file.objection})
        causes = [*self.fetched.causes, *((str(self.fetched.url), objection) for objection in objections)]
        return Problem(self.fetched.point.alias, causes, self.state, self.known) if causes else None


def decide(fetched: FetchedCrl, found: Facts, options: dict[str, Any]) -> CrlDecision:
    """Return the decisions about the files of one CRL. :param found: the files of the node."""
    return CrlDecision(fetched, [_decide_file(fetched, name, found.get(name), options) for name in fetched.point.files])


def _decide_file(
    fetched: FetchedCrl, name: str, present: dict[str, Any] | None, options: dict[str, Any]
) -> FileDecision:
    if fetched.facts is None:
        return _decide_without_crl(fetched, name, present, options)
    objection = "" if options["allow_older"] else _objection(present, fetched.facts["crl"])
    if objection or _is_same(present, fetched.facts):
        return FileDecision(name, present, _state(present, fetched), objection=objection)
    return FileDecision(name, fetched.facts, _state(fetched.facts, fetched), _change(present, fetched.facts))


def _decide_without_crl(
    fetched: FetchedCrl, name: str, present: dict[str, Any] | None, options: dict[str, Any]
) -> FileDecision:
    state = _state(present, fetched)
    if options["remove_expired"] and state == "expired":
        return FileDecision(name, None, "missing", "unwanted: expired, and no other CRL could be fetched")
    return FileDecision(name, present, state)


def _objection(present: dict[str, Any] | None, fetched: dict[str, Any]) -> str:
    """Return why a good CRL is not placed; empty if it is placed."""
    known = (present or {}).get("crl")
    if not known or not _is_newer(known, fetched):
        return ""
    return f"has a CRL ({_dated(fetched)}) older than the CRL in place ({_dated(known)})"


def _is_same(present: dict[str, Any] | None, wanted: dict[str, Any]) -> bool:
    """Return whether a file has the wanted CRL, mode and owner. fetch-crl writes other line ends."""
    known = present and present.get("crl")
    if not present or not known or known["sha256"] != wanted["crl"]["sha256"]:
        return False
    return manifest.line({**present, "sha256": ""}) == manifest.line({**wanted, "sha256": ""})


def _is_newer(known: dict[str, Any], fetched: dict[str, Any]) -> bool:
    """Return whether the present CRL was issued later than the fetched CRL, with the same key.

    The time counts, and the number only within a second. CAs that change their software may count anew, but a replayed
    CRL cannot have a later time. A present CRL from the future does not count.
    """
    if any(known[name] != fetched[name] for name in ("issuer", "key_id")):
        return False
    if known["this_update"] > times.iso(times.now()):
        return False
    return _age(known) > _age(fetched)


def _age(facts: dict[str, Any]) -> tuple[str, int]:
    return facts["this_update"], -1 if facts["number"] is None else facts["number"]


def _dated(facts: dict[str, Any]) -> str:
    return f"number {facts['number']} of {facts['this_update']}"


def _change(present: dict[str, Any] | None, wanted: dict[str, Any]) -> str:
    """Say how a file changes."""
    if present is None:
        return "missing"
    known = present.get("crl")
    if known is None:
        return "damaged" if present["kind"] == "file" else f"now a file, was a {present['kind']}"
    if known["sha256"] == wanted["crl"]["sha256"]:
        return "other mode or owner"
    return f"{_dated(known)} → {_dated(wanted['crl'])}"


def _state(file: dict[str, Any] | None, fetched: FetchedCrl) -> str:
    """Return the state of a file, as of :mod:`crl_store`."""
    if file is None:
        return "missing"
    known = file.get("crl")
    if known is None or known["issuer"] != fetched.point.subject:
        return "damaged"
    end = known["next_update"] and times.parse_iso(known["next_update"])
    return crl_store.judge(times.parse_iso(known["this_update"]), end, 0, times.now())
