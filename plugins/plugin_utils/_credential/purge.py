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
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._credential import policy
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Summary
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange, Results
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.plugin_utils._credential import placed_record
from ansible_collections.grid.security.plugins.plugin_utils._credential.placed_record import Placement, Record

__all__ = ["RecordedExchange"]

_ALLOW = "set allow_shrink: true (in the role user_credentials: user_credentials_allow_shrink)"


@dataclass(frozen=True)
class _Removal:
    """The removal of a credential whose user has left the list."""

    placement: Placement
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Return whether the credential can be taken out of the record."""
        return bool(self.outcome) and not self.outcome.get("failed")

    @property
    def has_no_account(self) -> bool:
        return self.is_done and not self.outcome["paths"]

    @property
    def removed(self) -> list[str]:
        return [entry["path"] for entry in self.outcome.get("entries", []) if "removed" in entry["changes"]]


@dataclass(frozen=True)
class _Writing:
    """A file set that changes the record."""

    record: Record
    file_set: dict[str, Any]
    contents: dict[str, str]


@dataclass(frozen=True)
class _Call:
    """One call of the engine: the record before, the removals, the credentials, and the record after."""

    before: list[_Writing]
    removals: list[dict[str, Any]]
    credentials: Request
    after: list[_Writing]

    @property
    def request(self) -> Request:
        contents = dict(self.credentials.contents)
        for writing in (*self.before, *self.after):
            contents.update(writing.contents)
        before, after = ([writing.file_set for writing in part] for part in (self.before, self.after))
        return Request([*before, *self.removals, *self.credentials.sets, *after], contents)


class RecordedExchange(Exchange):
    """The exchange of one list of credentials, with the record of placed credentials.

    :param placing: places the credentials.
    :param options: of all credentials of the list.
    :param of_list: the options of the list as a whole.
    """

    def __init__(
        self, placing: CredentialExchange, options: list[CredentialOptions], of_list: dict[str, Any], check: bool
    ) -> None:
        self._placing, self._options, self._check = placing, options, check
        self._path: str = of_list["record"]
        self._purge: bool = of_list["purge"]
        self._allow_shrink: bool = of_list["allow_shrink"]
        self._has_archives_on_node = any(given.remote_src for given in options)
        self._noted: Record = {}  # the credentials that this run is about to place
        self._recorded: Record = {}  # the record before the run
        self._stored: Record = {}  # the record now
        self._has_all = False  # whether the record now has all credentials that this run is about to place
        self._was_damaged = self._is_damaged = False
        self._problem: GridSecurityError | None = None  # the cause if there is no record
        self._removals: list[_Removal] = []
        self._taken_over: list[Placement] = []
        self._refusal: str | None = None
        self._call = _Call([], [], Request([]), [])
        _check_options(self._path, self._purge)

    # --- the calls ----------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        request = self._placing.request()
        self._noted = self._about_to_be_placed()
        wanted, _contents = placed_record.file_set(self._path, placed_record.encode(self._noted))
        return Request([wanted, *request.sets], request.contents)

    def supply(self, outcomes: Outcomes) -> Request:
        own, *others = outcomes
        self._read_record(own)
        request = self._placing.supply(others)
        self._plan_removals()
        removals = [removal.placement.removal_set(self._recorded[removal.placement]) for removal in self._removals]
        # Archives on the node are converted after this call, by a module that places them at once.
        return self._recording(request, removals, is_placing=bool(request.contents) or self._has_archives_on_node)

    def result(self, outcomes: Outcomes, send: Send) -> Results:
        found = self._placing.result(self._take(outcomes), self._sending(send))
        if not self._check:
            for writing in self._writing(self._final(found), self._stored, self._is_damaged):
                self._note_writing(writing, send([writing.file_set], writing.contents)[0])
        return found

    def close(self) -> None:
        self._placing.close()

    def _sending(self, send: Send) -> Send:
        """Return a function that calls the engine, with the record before credentials are placed."""

        def send_with_record(sets: list[dict[str, Any]], contents: dict[str, str]) -> Outcomes:
            request = self._recording(Request(sets, contents), [], is_placing=bool(contents))
            return self._take(send(request.sets, request.contents))

        return send_with_record

    def _recording(self, request: Request, removals: list[dict[str, Any]], is_placing: bool) -> Request:
        """Return a request with removals, and with the record if a credential is about to be placed.

        The last writing is the final record if nothing fails.
        """
        before: list[_Writing] = []
        after: list[_Writing] = []
        if is_placing and not self._check and not self._has_all:
            self._has_all = True
            during = self._wanted
            before = self._writing(during, self._stored, self._is_damaged)
            if request.contents:
                after = self._writing({**during, **self._noted}, during)
        self._call = _Call(before, removals, request, after)
        return self._call.request

    def _take(self, outcomes: Outcomes) -> Outcomes:
        """Note the outcomes of the record and of removals. Return the outcomes of credentials."""
        remaining = iter(outcomes)
        for writing in self._call.before:
            self._note_writing(writing, next(remaining))
        if self._call.removals:
            self._removals = [replace(removal, outcome=next(remaining)) for removal in self._removals]
        found = [next(remaining) for _file_set in self._call.credentials.sets]
        for writing in self._call.after:
            self._note_writing(writing, next(remaining))
        return found

    def _writing(self, record: Record, stored: Record, is_damaged: bool = False) -> list[_Writing]:
        """Return the writing of a changed record. A damaged record is kept as a backup."""
        if self._problem or (record == stored and not is_damaged):
            return []
        return [_Writing(record, *placed_record.file_set(self._path, placed_record.encode(record), is_damaged))]

    def _note_writing(self, writing: _Writing, outcome: dict[str, Any]) -> None:
        if outcome.get("failed"):
            self._problem = GridSecurityError(outcome["error_code"], outcome["msg"])
        else:
            self._stored, self._is_damaged = writing.record, False

    # --- the contents of the record -----------------------------------------------------------------------------------

    def _read_record(self, outcome: dict[str, Any]) -> None:
        """Read the record from the node's answer."""
        if outcome.get("failed"):
            self._problem = GridSecurityError(outcome["error_code"], outcome["msg"])
            return
        changes = {os.path.basename(entry["path"]): entry["changes"] for entry in outcome["entries"]}
        if not outcome.get("needs"):
            self._recorded = self._stored = dict(self._noted)
        elif "created" not in changes.get(os.path.basename(self._path), []):
            try:
                stored = base64.b64decode(next(iter(outcome["stored"].values())))
                self._recorded = self._stored = placed_record.decode(stored)
            except (KeyError, ValueError):
                self._was_damaged = self._is_damaged = True

    def _about_to_be_placed(self) -> Record:
        """Return the certificate that each credential with an archive on the controller will have."""
        record: Record = {}
        for source, summary in self._placing.summaries.items():
            if isinstance(summary, Summary) and _can_be_recorded(source.options):
                record.setdefault(Placement.of(source.options), [policy.fingerprint(summary.facts)])
        return record

    @property
    def _wanted(self) -> Record:
        """Return the recorded credentials, and the credentials that are about to be placed."""
        present = [given for given in self._options if given.state == "present" and _can_be_recorded(given)]
        on_node: Record = {Placement.of(given): [] for given in present if given.remote_src}
        return placed_record.merged(placed_record.merged(self._recorded, on_node), self._noted)

    def _final(self, found: Results) -> Record:
        """Return the credentials in place after the run. A credential that failed keeps all that may be in place."""
        record = self._wanted
        for options, result in found.items():
            if result.get("failed") or not _can_be_recorded(options):
                continue
            if options.state != "present":
                record.pop(Placement.of(options), None)
            elif "sha256_fingerprint" in result:
                record[Placement.of(options)] = [policy.fingerprint(result)]
        missing = any(result.get("error_code") == "no_account" for result in found.values())
        for placement in [*self._taken_over, *self._removed(missing)]:
            record.pop(placement, None)
        return record

    def _removed(self, accounts_are_missing: bool) -> Iterator[Placement]:
        """Yield removed credentials. If the directory service is down, accounts are missing and their entries stay."""
        for removal in self._removals:
            if removal.is_done and not (accounts_are_missing and removal.has_no_account):
                yield removal.placement

    def _plan_removals(self) -> None:
        leavers = {placement.owner for placement in self._recorded} - {given.owner for given in self._options}
        if not self._purge or self._problem or not leavers:
            return
        cause = self._cause_to_refuse(leavers)
        if cause:
            self._refusal = f"nothing is purged. {listed(sorted(leavers))} left the list, but {cause}"
            return
        places = {Placement.of(given).place for given in self._options}
        gone = [placement for placement in sorted(self._recorded) if placement.owner in leavers]
        self._taken_over = [placement for placement in gone if placement.place in places]
        self._removals = [_Removal(placement) for placement in gone if placement.place not in places]

    def _cause_to_refuse(self, leavers: set[str]) -> str | None:
        """Return why nothing is purged. A mistake in an inventory must not remove everybody's credentials."""
        if not all(given.owner for given in self._options):
            return "an item of the list has no readable owner, so it may belong to one of these users. Set its owner."
        users = len({placement.owner for placement in self._recorded})
        if 2 * len(leavers) > users and not self._allow_shrink:
            return f"that is more than half of the {users} users on record. If it is intended, {_ALLOW}."
        return None

    # --- the result ---------------------------------------------------------------------------------------------------

    def add_to(self, result: dict[str, Any], diff: bool) -> dict[str, Any]:
        """Return the task's result with the purged credentials, warnings and failures."""
        failures, warnings = self._failures(), self._warnings()
        purged = [removal for removal in self._removals if removal.removed]
        result["purged"] = [{"owner": removal.placement.owner, "paths": removal.removed} for removal in purged]
        result["changed"] = result["changed"] or bool(purged)
        result["warnings"] = [*result.get("warnings", []), *warnings]
        if purged and "summary" in result:
            owners = listed(sorted({removal.placement.owner for removal in purged}))
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
        failures = [removal.outcome for removal in self._removals if removal.outcome.get("failed")]
        told = [f"{outcome['name']}: {outcome['msg']}" for outcome in failures]
        if self._refusal:
            told.append(self._refusal)
        if self._problem and self._purge:
            told.append(f"nothing is purged, because there is no record of placed credentials: {self._problem.message}")
        return told

    def _warnings(self) -> list[str]:
        told = [
            f"{removal.placement.owner} left the list, and has another certificate than the one that was placed."
            f" Not removed: {', '.join(removal.outcome['left'])}."
            for removal in self._removals
            if removal.outcome.get("left")
        ]
        if self._was_damaged:
            told.append(
                f"{self._path} is no record of placed credentials that can be read. It is kept as a backup, and a new"
                " record is started. It lacks the credentials of users who left the list before this run."
            )
        if self._problem and not self._purge and self._problem.error_code != "not_root":
            told.append(f"there is no record of placed credentials: {self._problem.message}")
        return told


def _check_options(path: str, purge: bool) -> None:
    if purge and not path:
        raise AnsibleActionFail("purge needs record: the path of the record of placed credentials.")
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        raise AnsibleActionFail(f"record: {path} must be an absolute path of the node without . and .. in it.")


def _can_be_recorded(options: CredentialOptions) -> bool:
    """Return whether the record can name the credential: it has an owner, and no odd characters in its paths."""
    return bool(options.owner) and placed_record.is_usual(Placement.of(options))
