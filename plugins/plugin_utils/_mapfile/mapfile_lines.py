# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose the lines of a grid-mapfile from credentials and entries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._action import templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._credential import subjects
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import gridmap
from ansible_collections.grid.security.plugins.plugin_utils._mapfile.gridmap import Mapping

__all__ = ["Failure", "Lines", "Source", "compose", "of_credentials", "of_entry"]


@dataclass(frozen=True)
class Source:
    """The origin of one line: a credential or an entry.

    :param accounts: the accounts of the line, as far as they are known.
    :param mapping: returns the line, or raises a :exc:`GridSecurityError`.
    :param is_known: whether ``accounts`` is complete. It is not if a template in the accounts could not be filled.
    """

    accounts: list[str]
    mapping: Callable[[], Mapping]
    is_known: bool = True


@dataclass(frozen=True)
class Failure:
    """A source that gave no line. :param kept: the present lines that stay instead."""

    accounts: list[str]
    error: GridSecurityError
    kept: list[Mapping]


@dataclass(frozen=True)
class Lines:
    """A complete grid-mapfile, and the sources that gave no line."""

    text: str
    failures: list[Failure]


def compose(sources: list[Source], present: list[Mapping] | None = None) -> Lines:
    """Return the file. :param present: the mappings of the present file, which stay for sources that fail."""
    found = [(source, _mapping(source)) for source in sources]
    mapped = {one_line_dn.comparable(known.dn) for _source, known in found if isinstance(known, Mapping)}
    mappings: list[Mapping] = []
    failures: list[Failure] = []
    for source, known in found:
        if isinstance(known, Mapping):
            mappings.append(known)
        else:
            failures.append(Failure(source.accounts, known, list(_kept(source, present or [], mapped))))
            mappings += failures[-1].kept
    return Lines(gridmap.render(mappings), failures)


def _mapping(source: Source) -> Mapping | GridSecurityError:
    try:
        return source.mapping()
    except GridSecurityError as error:
        return error


def _kept(source: Source, present: list[Mapping], mapped: set[str]) -> Iterator[Mapping]:
    """Yield the present mappings that stay because a source failed. :param mapped: the DNs that this run maps."""
    if source.is_known:
        for account in source.accounts:
            yield from gridmap.kept(present, account, mapped)
    else:  # the source may be for any account
        yield from (mapping for mapping in present if one_line_dn.comparable(mapping.dn) not in mapped)


def of_credentials(action: GridAction, items: list[CredentialOptions]) -> Iterator[Source]:
    """Yield the sources of credentials. :param items: options of credentials, with archives on the controller."""
    for options, identity in subjects.identify(action, items).items():
        owner = options.owner
        mapping = functools.partial(_map_credential, action, options, identity)
        yield Source([owner] if owner else [], mapping, is_known=bool(owner) or options.error is None)


def _map_credential(action: GridAction, options: CredentialOptions, identity: subjects.Identity) -> Mapping:
    subject = subjects.subject(options, identity, action.register)
    if not options.owner:
        raise _bad("credentials: an item without owner maps nobody. Give owner, or leave the item out.")
    return gridmap.validated(subject, [options.owner])


def of_entry(entry: Any) -> Source:
    """Return the source of an item of the option ``entries``."""
    accounts = _accounts(entry)
    is_unreadable = isinstance(entry, dict) and templates.UNREADABLE in entry
    return Source(accounts, lambda: _parse(entry), is_known=bool(accounts) or not is_unreadable)


def _accounts(entry: Any) -> list[str]:
    """Return the accounts of an entry, even if the rest of the entry is wrong."""
    line = entry.get("line") if isinstance(entry, dict) else str(entry)
    given = entry.get("account") if isinstance(entry, dict) else None
    words = str(line or "").split()
    if given is None and words:
        given = words[-1].split(",")
    found = [str(account) for account in (given if isinstance(given, list) else [given]) if account]
    return [] if any("}" in account for account in found) else found


def _parse(entry: Any) -> Mapping:
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
