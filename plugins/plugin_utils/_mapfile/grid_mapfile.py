# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The grid-mapfile of a node: from the credentials that are provisioned, and from lines of the site's own.

A credential or entry that fails does not stop the others. Its account keeps the mapping that is in place.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError, readable
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._action import templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._credential import credentials, task_options
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import gridmap
from ansible_collections.grid.security.plugins.plugin_utils._trust import trusted_cas

__all__ = ["place"]

OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "default": "/etc/grid-security/grid-mapfile"},
    "mode": {"type": "raw", "default": "0644"},
    "credentials": {"type": "list", "elements": "raw", "default": []},
    "entries": {"type": "list", "elements": "raw", "default": []},
    "allow_empty": {"type": "bool", "default": False},
    **trusted_cas.OPTIONS,
}


@dataclass(frozen=True)
class Source:
    """The origin of one line: a credential or an entry.

    :param accounts: the accounts of the line, as far as they are known.
    :param mapping: returns the line, or raises an error.
    :param is_known: whether ``accounts`` is complete. It is not if a template in the accounts could not be filled.
    """

    accounts: list[str]
    mapping: Callable[[], gridmap.Mapping]
    is_known: bool = True


@dataclass(frozen=True)
class Failure:
    """A source that gave no line. :param kept: the present lines that stay instead."""

    accounts: list[str]
    error: GridSecurityError
    kept: list[gridmap.Mapping]

    @property
    def told(self) -> dict[str, Any]:
        """Return the failure as an item of the result's ``not_mapped``."""
        return {
            "accounts": self.accounts,
            "kept": [one.dn for one in self.kept],
            "error_code": self.error.error_code,
            "msg": self.error.message,
        }


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Make the file what credentials and entries say, and return the result."""
    options = validated(OPTIONS, arguments, module="grid_mapfile")
    believed = {name: options[name] for name in trusted_cas.OPTIONS}
    given = task_options.read_options({**believed, "credentials": options["credentials"]})
    items = [one for one in given if one.state == "present"]
    known = [one for one in items if not one.remote_src]
    sources = [*_of_credentials(action, known), *map(_of_entry, options["entries"])]
    first, _failures = _compose(sources, [])
    (outcome,) = yield _request(options, first, travels=False)
    _raise_failure(outcome)
    while action.register.unreviewed:
        yield Request([])  # another part of this node may still refuse a credential
    before = _present(outcome, options["path"], first)
    text, failures = _compose(sources, [])  # again: more credentials may be refused now
    if failures:
        text, failures = _compose(sources, gridmap.read(_readable(before, options["path"])))
    _refuse_empty(text, options, failures)
    if outcome["changed"] or text != first:
        (outcome,) = yield _request(options, text, travels=True)
        _raise_failure(outcome)
    return {**_result(outcome, text, failures), "warnings": _warnings(items), **_difference(before or "", text)}


def _request(options: dict[str, Any], text: str, travels: bool) -> Request:
    """:param travels: whether the text itself is sent, and not its digest only."""
    data = text.encode()
    digest = hashlib.sha256(data).hexdigest()
    path, mode = options["path"], options["mode"]
    entries: list[dict[str, Any]] = [
        {"path": os.path.dirname(path), "state": "directory", "initial_mode": "0755"},
        {"path": path, "state": "file", "mode": mode, "sha256": digest, "size": len(data), "recall": True},
    ]
    contents = {digest: base64.b64encode(data).decode()} if travels else {}
    return Request([{"name": "grid-mapfile", "entries": entries}], contents)


def _raise_failure(outcome: dict[str, Any]) -> None:
    if outcome.get("failed"):
        raise GridSecurityError(outcome["error_code"], outcome["msg"])


def _present(outcome: dict[str, Any], path: str, text: str) -> str | None:
    """Return the present file; None if it cannot be read. :param text: the text that the node compared with it."""
    if not outcome.get("needs"):
        return text
    changes = {entry["path"]: entry["changes"] for entry in outcome["entries"]}
    if "created" in changes.get(path, []):
        return ""
    stored = next(iter(outcome.get("stored", {}).values()), None)
    return None if stored is None else base64.b64decode(stored).decode(errors="replace")


def _readable(text: str | None, path: str) -> str:
    if text is None:
        raise GridSecurityError(
            "unreadable_mapfile",
            f"{path} is no plain file of this user, or larger than 16 MiB, or holds a private key. Look at it, and move"
            " it away.",
        )
    return text


def _refuse_empty(text: str, options: dict[str, Any], failures: list[Failure]) -> None:
    if text or options["allow_empty"]:
        return
    causes = [f"- {one.error.message}" for one in failures]
    remedy = "Give credentials or entries; if that is intended, set allow_empty: true."
    message = f"{options['path']} would map nobody at all. {remedy}"
    raise GridSecurityError("empty_mapfile", "\n".join([message, *causes]))


# --- the lines --------------------------------------------------------------------------------------------------------


def _of_credentials(action: GridAction, items: list[CredentialOptions]) -> Iterator[Source]:
    for options, outcome in zip(items, credentials.identify(action, items)):

        def mapping(options: CredentialOptions = options, outcome: Any = outcome) -> gridmap.Mapping:
            subject = credentials.subject(options, outcome, action.register)
            if not options.owner:
                raise _bad("credentials: an item without owner maps nobody. Give owner, or leave the item out.")
            return gridmap.validated(subject, [options.owner])

        owner = options.owner
        yield Source([owner] if owner else [], mapping, is_known=bool(owner) or options.error is None)


def _of_entry(entry: Any) -> Source:
    accounts = _accounts(entry)
    unreadable = isinstance(entry, dict) and templates.UNREADABLE in entry
    return Source(accounts, lambda: _parse(entry), is_known=bool(accounts) or not unreadable)


def _accounts(entry: Any) -> list[str]:
    """Return the accounts of an entry, even if the rest of the entry is wrong."""
    line = entry.get("line") if isinstance(entry, dict) else str(entry)
    given = entry.get("account") if isinstance(entry, dict) else None
    words = str(line or "").split()
    if given is None and words:
        given = words[-1].split(",")
    found = [str(account) for account in (given if isinstance(given, list) else [given]) if account]
    return [] if any("}" in account for account in found) else found


def _parse(entry: Any) -> gridmap.Mapping:
    if isinstance(entry, str):
        return gridmap.parse(entry)
    if isinstance(entry, dict) and templates.UNREADABLE in entry:
        raise _bad(f"entries: an item for {', '.join(_accounts(entry)) or 'nobody'}: {entry[templates.UNREADABLE]}")
    if not isinstance(entry, dict) or set(entry) != {"dn", "account"}:
        raise _bad("entries: an item is a line of a grid-mapfile, or has dn and account.")
    account = entry["account"]
    return gridmap.validated(entry["dn"], account if isinstance(account, list) else [account])


def _bad(message: str) -> GridSecurityError:
    return GridSecurityError("bad_mapping", message)


def _compose(sources: list[Source], present: list[gridmap.Mapping]) -> tuple[str, list[Failure]]:
    """Return the file, and the sources that gave no line. :param present: the mappings of the present file."""
    found = [(source, _mapping(source)) for source in sources]
    good = [one for _source, one in found if isinstance(one, gridmap.Mapping)]
    taken = {one_line_dn.comparable(one.dn) for one in good}
    lines: list[gridmap.Mapping] = []
    failures: list[Failure] = []
    for source, one in found:
        if isinstance(one, gridmap.Mapping):
            lines.append(one)
            continue
        kept = [line for account in source.accounts for line in gridmap.kept(present, account, taken)]
        if not source.is_known:  # it may be for any account
            kept = [line for line in present if one_line_dn.comparable(line.dn) not in taken]
        lines += kept
        failures.append(Failure(source.accounts, one, kept))
    return gridmap.render(lines), failures


def _mapping(source: Source) -> gridmap.Mapping | GridSecurityError:
    try:
        return source.mapping()
    except GridSecurityError as error:
        return error


# --- the result -------------------------------------------------------------------------------------------------------


def _warnings(items: list[CredentialOptions]) -> list[str]:
    unknown = [str(one.owner) for one in items if one.remote_src]
    if not unknown:
        return []
    return [
        f"grid-mapfile: the archives of {', '.join(unknown)} lie on nodes, so their subjects are not known here. Give"
        " the lines in entries."
    ]


def _difference(before: str, after: str) -> dict[str, list[str]]:
    """Return the added and the removed lines. The order of lines does not count."""
    old, new = dict.fromkeys(before.splitlines()), dict.fromkeys(after.splitlines())
    added = [line for line in new if line not in old]
    return {"added": added, "removed": [readable(line) for line in old if line not in new]}


def _result(outcome: dict[str, Any], text: str, failures: list[Failure]) -> dict[str, Any]:
    lines = text.splitlines()
    result: dict[str, Any] = {"changed": outcome["changed"], "lines": lines}
    result["summary"] = [f"{len(lines)} lines, {'changed' if outcome['changed'] else 'not changed'}"]
    if outcome.get("diff"):
        result["diff"] = outcome["diff"]
    if failures:
        del result["lines"]  # ansible shows all of a failed result
        result.update(failed=True, error_code="not_mapped", not_mapped=[one.told for one in failures])
        result["msg"] = "\n".join([_failed(failures), *(f"- {one.error.message}" for one in failures)])
    return result


def _failed(failures: list[Failure]) -> str:
    kept = list(dict.fromkeys(account for one in failures for line in one.kept for account in line.accounts))
    stays = f" What is in place stays for {listed(kept)}." if kept else ""
    return f"{len(failures)} of the mappings failed; the others are made.{stays}"
