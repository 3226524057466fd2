# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the record of placed credentials on a node, and remove the credentials of users who have left the list.

The record shares the calls of the credentials: a run with nothing to do compares one digest more. The record has an
entry for each placed credential at all times:

1. The credentials that are about to be placed are added to the record.
2. Credentials are placed, and those of users who have left are removed.
3. Removed credentials are taken out of the record. In a run that removes nothing, the final record is part of the call
   that places credentials.

A run that is killed in between leaves a record with too many entries, never with too few.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._credential import policy
from ansible_collections.grid.security.plugins.module_utils._credential.renderers import Outcome, Renderer
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.plugin_utils._credential import placed_record
from ansible_collections.grid.security.plugins.plugin_utils._credential.placed_record import Placement, Record

__all__ = ["Keeper"]

_ALLOW = "set allow_shrink: true (in the role user_credentials: user_credentials_allow_shrink)"


@dataclass
class _Removal:
    """What becomes of a credential whose user has left the list."""

    placement: Placement
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether the credential can be taken out of the record."""
        return bool(self.outcome) and not self.outcome.get("failed")

    @property
    def has_no_account(self) -> bool:
        return self.is_done and not self.outcome["paths"]

    @property
    def removed(self) -> list[str]:
        return [entry["path"] for entry in self.outcome.get("entries", []) if "removed" in entry["changes"]]


class Keeper:
    """Keeps the record of one list of credentials; without a path, it does nothing at all.

    :param arguments: those of the task. :param items: the complete options of the list's items.
    """

    def __init__(self, arguments: dict[str, Any], items: list[dict[str, Any]], check: bool) -> None:
        self._path: str = arguments["record"]
        self._purge: bool = arguments["purge"]
        self._allow_shrink: bool = arguments["allow_shrink"]
        self._items, self._check = items, check
        self._noted: Record = {}  # what this run is about to place
        self._recorded: Record = {}  # what the record said before the run
        self._stored: Record = {}  # what it says now
        self._has_all = False  # whether it says all that this run is about to place
        self._was_damaged = self._is_damaged = False
        self._problem: GridSecurityError | None = None  # why there is no record
        self._removals: list[_Removal] = []
        self._taken_over: list[Placement] = []
        self._refusal: str | None = None
        _check_options(self._path, self._purge)

    def watched(self, renderer: Renderer) -> Renderer:
        """Return a renderer whose outlines are noted for the record."""
        return _Watched(renderer, self) if self._path else renderer

    def note(self, options: dict[str, Any], outcome: Outcome) -> None:
        """Note which certificate a credential will have."""
        if _can_be_recorded(options) and not isinstance(outcome, GridSecurityError):
            self._noted.setdefault(Placement.of(options), [policy.fingerprint(outcome["facts"])])

    # --- the calls ----------------------------------------------------------------------------------------------------

    def keep(self, placing: Conversation) -> Conversation:
        """Hold the conversation that places the credentials, and return its results."""
        if not self._path:
            return (yield from placing)
        driven = _Driven(placing)
        there = any(one["remote_src"] for one in self._items)
        if not there:  # archives on the node are converted at once, so that the record has to come before them
            driven.answer(None)
        yield from self._compare(driven)
        if there:
            yield from self._write(self._wanted)
            driven.answer(None)
        self._plan_removals()
        removals = self._removals
        while removals or driven.request is not None:
            yield from self._pass_on(driven, removals)
            removals = []
        if not self._check:
            yield from self._write(self._final(driven.results))
        return driven.results

    def _compare(self, driven: _Driven) -> Generator[Request, list[dict[str, Any]], None]:
        expected = placed_record.encode(self._noted)
        wanted, _contents = placed_record.file_set(self._path, expected)
        request = driven.request or Request([])
        own, *others = yield Request([wanted, *request.sets], request.contents)
        self._take(own)
        if driven.request is not None:
            driven.answer(others)

    def _take(self, outcome: dict[str, Any]) -> None:
        """Read the record from the node's answer."""
        if outcome.get("failed"):
            self._problem = GridSecurityError(outcome["error_code"], outcome["msg"])
            return
        changes = {os.path.basename(one["path"]): one["changes"] for one in outcome["entries"]}
        if not outcome.get("needs"):
            self._recorded = self._stored = dict(self._noted)
        elif "created" not in changes.get(os.path.basename(self._path), []):
            try:
                stored = base64.b64decode(next(iter(outcome["stored"].values())))
                self._recorded = self._stored = placed_record.decode(stored)
            except (KeyError, ValueError):
                self._was_damaged = self._is_damaged = True

    def _pass_on(self, driven: _Driven, removals: list[_Removal]) -> Generator[Request, list[dict[str, Any]], None]:
        """The next call of the credentials, with removals, and with the record if something is about to be placed."""
        request = driven.request or Request([])
        first, last = self._records_around(request)
        before = [*first.sets, *(one.placement.removal_set(self._recorded[one.placement]) for one in removals)]
        contents = {**first.contents, **request.contents, **last.contents}
        outcomes = yield Request([*before, *request.sets, *last.sets], contents)
        after = len(before) + len(request.sets)
        for removal, outcome in zip(removals, outcomes[len(first.sets) :]):
            removal.outcome = outcome
        self._note_writing([*outcomes[: len(first.sets)], *outcomes[after:]], [*first.records, *last.records])
        if driven.request is not None:
            driven.answer(outcomes[len(before) : after])

    def _records_around(self, request: Request) -> tuple[_Writing, _Writing]:
        """The record while credentials are placed, and the record after that if nothing fails."""
        if not request.contents or self._check or self._has_all:
            return _Writing(), _Writing()
        self._has_all = True
        during = self._wanted
        first = self._writing(during, self._stored, self._is_damaged)
        return first, self._writing({**during, **self._noted}, during)

    def _write(self, record: Record) -> Generator[Request, list[dict[str, Any]], None]:
        writing = self._writing(record, self._stored, self._is_damaged)
        if writing.sets and not self._check:
            self._note_writing((yield Request(writing.sets, writing.contents)), writing.records)

    def _writing(self, record: Record, stored: Record, is_damaged: bool = False) -> _Writing:
        """What it takes to bring the record from ``stored`` to ``record``. A damaged one is kept as a backup."""
        if self._problem or (record == stored and not is_damaged):
            return _Writing()
        wanted, contents = placed_record.file_set(self._path, placed_record.encode(record), is_damaged)
        return _Writing([wanted], contents, [record])

    def _note_writing(self, outcomes: list[dict[str, Any]], records: list[Record]) -> None:
        for outcome, record in zip(outcomes, records):
            if outcome.get("failed"):
                self._problem = GridSecurityError(outcome["error_code"], outcome["msg"])
            else:
                self._stored, self._is_damaged = record, False

    # --- what the record should say -----------------------------------------------------------------------------------

    @property
    def _wanted(self) -> Record:
        """What is recorded, and what is about to be placed."""
        present = [one for one in self._items if _is_present(one) and _can_be_recorded(one)]
        converted_there = [one for one in present if one["remote_src"]]
        there: Record = {Placement.of(one): [] for one in converted_there}
        return placed_record.merged(placed_record.merged(self._recorded, there), self._noted)

    def _final(self, results: list[dict[str, Any]]) -> Record:
        """What is in place after the run. Of what failed, everything that might be."""
        record = self._wanted
        for options, result in zip(self._items, results):
            if result.get("failed") or not _can_be_recorded(options):
                continue
            if not _is_present(options):
                record.pop(Placement.of(options), None)
            elif "sha256_fingerprint" in result:
                record[Placement.of(options)] = [policy.fingerprint(result)]
        for placement in self._taken_over:
            record.pop(placement, None)
        missing = any(result.get("error_code") == "no_account" for result in results)
        for removal in self._removals:
            # If the directory service is down, accounts are missing. Their credentials stay in the record.
            if removal.is_done and not (missing and removal.has_no_account):
                record.pop(removal.placement, None)
        return record

    def _plan_removals(self) -> None:
        leavers = {placement.owner for placement in self._recorded} - {one["owner"] for one in self._items}
        if not self._purge or self._problem or not leavers:
            return
        cause = self._cause_to_refuse(leavers)
        if cause:
            self._refusal = f"nothing is purged. {listed(sorted(leavers))} left the list, but {cause}"
            return
        places = {Placement.of(one).place for one in self._items}
        gone = [placement for placement in sorted(self._recorded) if placement.owner in leavers]
        self._taken_over = [placement for placement in gone if placement.place in places]
        self._removals = [_Removal(placement) for placement in gone if placement.place not in places]

    def _cause_to_refuse(self, leavers: set[str]) -> str | None:
        """Why nothing is purged: a mistake in an inventory must not remove everybody's credentials."""
        if not all(one["owner"] for one in self._items):
            return "an item of the list has no owner that could be read, and might be for one of them. Give its owner."
        users = len({placement.owner for placement in self._recorded})
        if 2 * len(leavers) > users and not self._allow_shrink:
            return f"that is more than half of the {users} users on record. If it is intended, {_ALLOW}."
        return None

    # --- the result ---------------------------------------------------------------------------------------------------

    def add_to(self, result: dict[str, Any], diff: bool) -> dict[str, Any]:
        """The task's result with what was purged, warnings and failures."""
        if not self._path:
            return result
        failures, warnings = self._failures(), self._warnings()
        purged = [one for one in self._removals if one.removed]
        result["purged"] = [{"owner": one.placement.owner, "paths": one.removed} for one in purged]
        result["changed"] = result["changed"] or bool(purged)
        result["warnings"] = [*result.get("warnings", []), *warnings]
        if purged and "summary" in result:
            owners = listed(sorted({one.placement.owner for one in purged}))
            done = "not yet removed" if self._check else "removed"
            result["summary"] = [*result["summary"], f"no longer in the list and {done}: {owners}"]
        if diff and purged:
            result["diff"] = [*result.get("diff", []), {"prepared": "".join(map(self._line, purged))}]
        if failures:
            result.update(failed=True, msg="\n".join([*([result["msg"]] if "msg" in result else []), *failures]))
        return result

    def _line(self, removal: _Removal) -> str:
        paths = ", ".join(removal.removed)
        done = f"still has {paths}" if self._check else f"{paths} removed"
        return f"{removal.placement.owner}: no longer in the list, {done}\n"

    def _failures(self) -> list[str]:
        failures = [one.outcome for one in self._removals if one.outcome.get("failed")]
        told = [f"{one['name']}: {one['msg']}" for one in failures]
        if self._refusal:
            told.append(self._refusal)
        if self._problem and self._purge:
            told.append(f"nothing is purged, because there is no record of placed credentials: {self._problem.message}")
        return told

    def _warnings(self) -> list[str]:
        told = [
            f"{one.placement.owner} left the list, and has another certificate than the one that was placed."
            f" Not removed: {', '.join(one.outcome['left'])}."
            for one in self._removals
            if one.outcome.get("left")
        ]
        if self._was_damaged:
            told.append(
                f"{self._path} is no record of placed credentials that can be read. It is kept as a backup, and a new"
                " record is started. Credentials of users who left the list before this run are not in it."
            )
        if self._problem and not self._purge and self._problem.error_code != "not_root":
            told.append(f"there is no record of placed credentials: {self._problem.message}")
        return told


@dataclass(frozen=True)
class _Writing:
    """File sets and contents that make the record say something. :param records: what it says then, for each set."""

    sets: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)


def _check_options(path: str, purge: bool) -> None:
    if path and (not os.path.isabs(path) or os.path.normpath(path) != path):
        raise AnsibleActionFail(f"record: {path} must be an absolute path of the node without . and .. in it.")
    if purge and not path:
        raise AnsibleActionFail("purge needs record: the path of the file that says what was placed.")


def _can_be_recorded(options: dict[str, Any]) -> bool:
    """Whether the record can name the credential: it has an owner, and no odd characters in its paths."""
    return bool(options["owner"]) and placed_record.is_usual(Placement.of(options))


def _is_present(options: dict[str, Any]) -> bool:
    return bool(options["state"] == "present")


class _Watched:
    """A renderer that lets a keeper note the outlines."""

    def __init__(self, renderer: Renderer, keeper: Keeper) -> None:
        self._renderer, self._keeper = renderer, keeper

    def outlines(self, options: list[dict[str, Any]]) -> list[Outcome]:
        outcomes = self._renderer.outlines(options)
        for one, outcome in zip(options, outcomes):
            self._keeper.note(one, outcome)
        return outcomes

    def contents(self, numbers: list[int]) -> list[Outcome]:
        return self._renderer.contents(numbers)


class _Driven:
    """A conversation that is held by hand. :param request: what it asks for; None when it has ended, or not begun."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.request: Request | None = None
        self.results: Any = None

    def answer(self, outcomes: list[dict[str, Any]] | None) -> None:
        """Go on to the next request, or to the end."""
        try:
            self.request = self._conversation.send(outcomes)  # type: ignore[arg-type]  # None starts it
        except StopIteration as end:
            self.request, self.results = None, end.value
