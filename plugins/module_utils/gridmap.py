# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""grid-mapfiles: which certificate's subject is which local account.

A line is ``"<DN>" account[,account ...]``, read from the top by Globus's ``globus_gss_assist_gridmap``; ``#`` starts a
comment. The account ``.pool`` stands for the pool accounts of that name (LCMAPS).
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["parse", "render", "validated"]

Mapping = tuple[str, list[str]]

_LINE = re.compile(r'\s*(?:"([^"]+)"|(\S+))\s+(\S+)\s*')
_ACCOUNT = re.compile(r"\.?[A-Za-z_][A-Za-z0-9_.-]*\$?")


def parse(line: str) -> Mapping:
    """The DN and the accounts of one line.

    :raises GridSecurityError: ``bad_mapping``.
    """
    match = _LINE.fullmatch(line)
    if not match:
        raise GridSecurityError("bad_mapping", f'{line!r} is no line of a grid-mapfile. Write "/DN" account.')
    return validated(match.group(1) or match.group(2), match.group(3).split(","))


def validated(dn: Any, accounts: list[Any]) -> Mapping:
    """:raises GridSecurityError: ``bad_mapping``: one of them cannot stand in a grid-mapfile."""
    if not str(dn).startswith("/") or re.search(r'["\n\r]', str(dn)):
        raise GridSecurityError(
            "bad_mapping",
            f"{dn!r} is no DN in slash form, such as /DC=org/DC=example/CN=Alice. The result of pkcs12_pem has it as"
            " subject_dn.",
        )
    wrong = [account for account in accounts if not _ACCOUNT.fullmatch(str(account))]
    if wrong or not accounts:
        raise GridSecurityError(
            "bad_mapping", f"{dn}: {wrong[0] if wrong else 'nothing'!r} is no name of an account. Correct it."
        )
    return str(dn), [str(account) for account in accounts]


def render(mappings: list[Mapping]) -> str:
    """The file: a line for each DN, sorted; a DN that is mapped more than once gets all its accounts in their order."""
    merged: dict[str, dict[str, None]] = {}
    for dn, accounts in mappings:
        merged.setdefault(dn, {}).update(dict.fromkeys(accounts))
    return "".join(f'"{dn}" {",".join(accounts)}\n' for dn, accounts in sorted(merged.items()))
