# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up accounts and groups of the node."""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["Account", "expand_home", "find_account", "find_ids"]


@dataclass(frozen=True)
class Account:
    """A user of this node, as the password database has it."""

    name: str
    uid: int
    gid: int
    home: str

    @property
    def is_caller(self) -> bool:
        """Whether this process already runs with exactly this user's rights."""
        return os.geteuid() == self.uid


def find_account(owner: str | None) -> Account:
    """Return the account named ``owner``, or the account of this process.

    :raises GridSecurityError: ``no_account`` if there is none; ``bad_owner`` if no account can have this name.
    """
    try:
        entry = pwd.getpwuid(os.geteuid()) if owner is None else pwd.getpwnam(owner)
    except ValueError:
        raise GridSecurityError(
            "bad_owner", f"{owner!r} is no name of an account: it has a NUL byte, or is no text. Correct the owner."
        ) from None
    except KeyError:
        raise GridSecurityError(
            "no_account",
            f"there is no account {owner or os.geteuid()!r} on this node. Create it first, or correct the owner.",
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def find_ids(fields: dict[str, Any]) -> tuple[int, int]:
    """Return the user and group id of a file by the fields ``owner`` and ``group`` of its entry; -1 without a name.

    :raises GridSecurityError: ``no_account``, ``bad_owner`` or ``no_group``.
    """
    if fields.get("state", "file") != "file":
        return -1, -1
    owner, group = fields.get("owner"), fields.get("group")
    return -1 if owner is None else find_account(owner).uid, -1 if group is None else _find_group(group)


def _find_group(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except (KeyError, ValueError):  # ValueError for a NUL byte
        raise GridSecurityError(
            "no_group", f"there is no group {group!r} on this node. Create it first, or correct the group."
        ) from None


def expand_home(path: str, account: Account) -> str:
    """Replace ``~`` or ``~owner`` at the start of ``path`` by the home of that account. No file is looked at."""
    if not path.startswith("~"):
        return path
    name, slash, rest = path[1:].partition("/")
    home = account.home if name in ("", account.name) else find_account(name).home
    return home + slash + rest
