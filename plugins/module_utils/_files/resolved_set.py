# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the owner and the paths of a file set on this node."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import option_paths
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import accounts

__all__ = ["RefusedSet", "ResolvedSet", "resolve"]


@dataclass(frozen=True)
class ResolvedSet:
    """A file set that this node can handle.

    :param fields: the set as in the option ``sets`` of the module ``file_set``.
    :param account: the user whose rights are used.
    :param directory: the absolute path of the set's directory.
    :param entries: the entries with absolute paths, without empty fields.
    :param watched: the absolute paths of the files that services use.
    """

    fields: dict[str, Any]
    account: accounts.Account
    directory: str
    entries: list[dict[str, Any]]
    watched: list[str]


@dataclass(frozen=True)
class RefusedSet:
    """A file set that this node cannot handle."""

    fields: dict[str, Any]
    error: GridSecurityError


def resolve(fields: dict[str, Any]) -> ResolvedSet:
    """Look up the owner of a set and make its paths absolute.

    :raises GridSecurityError: ``bad_path``, ``bad_owner``, or ``no_account`` of the owner or of ``~user`` in a path.
    """
    account = accounts.find_account(fields.get("owner"))
    directory = _directory(fields, account)
    entries = [_entry(entry, directory, account) for entry in fields["entries"]]
    watched = [_absolute(path, directory, account) for path in fields.get("watched") or []]
    return ResolvedSet(fields, account, directory, entries, watched)


def _directory(fields: dict[str, Any], account: accounts.Account) -> str:
    directory = accounts.expand_home(_check(fields.get("directory") or "/", "directory"), account)
    if not os.path.isabs(directory):
        raise GridSecurityError(
            "bad_path", f"directory: {directory} is no absolute path of the node. Start it with / or ~."
        )
    return directory


def _entry(fields: dict[str, Any], directory: str, account: accounts.Account) -> dict[str, Any]:
    _check(fields.get("target") or "", "target")
    path = _absolute(_check(fields["path"], "path"), directory, account)
    return {**{name: value for name, value in fields.items() if value is not None}, "path": path}


def _absolute(path: str, directory: str, account: accounts.Account) -> str:
    return os.path.normpath(os.path.join(directory, accounts.expand_home(path, account)))


def _check(path: str, option: str) -> str:
    return option_paths.check(path, option, errors="surrogateescape")
