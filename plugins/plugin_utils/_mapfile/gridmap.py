# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write grid-mapfiles, which map the subjects of certificates to local accounts.

A line is ``"<DN>" account[,account ...]``; ``#`` starts a comment. The account ``.pool`` means the pool accounts of
that name (LCMAPS). ``globus_gss_assist_gridmap`` of Globus takes the first line with the DN of the certificate. The
following rules were found by experiments with Debian's libglobus-gss-assist3. The functional tests check them:

- The case of ASCII letters does not count. ``Email``, ``E`` and ``emailAddress`` are one attribute, and so are ``UID``
  and ``USERID``.
- A backslash removes the special meaning of the next character.
- A backslash, ``x`` and two hexadecimal digits are one byte. If that byte is not printable ASCII, Globus turns it into
  the same four characters again, as in the DN of a certificate. A backslash of the DN is written in this form, because
  Globus reads two backslashes at the end of a DN as an escaped quotation mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn

__all__ = ["Mapping", "kept", "parse", "read", "render", "validated"]

_LINE = re.compile(r'\s*(?:"((?:[^"\\]|\\.)+)"|(\S+))\s+(\S+)\s*')
_ACCOUNT = re.compile(r"\.?[A-Za-z_][A-Za-z0-9_.-]*\$?")
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.))")
_BACKSLASH = re.compile(r"\\(?!x(?:[01][0-9A-F]|7F|[89A-F][0-9A-F]))", re.IGNORECASE)
_ESCAPED = r"\\x5C"  # a backslash as a byte, in the language of re.sub


@dataclass(frozen=True)
class Mapping:
    """A line. :param dn: the OpenSSL one-line DN, which results have as ``subject_dn``."""

    dn: str
    accounts: tuple[str, ...]


def parse(line: str) -> Mapping:
    """Return the DN and the accounts of a line.

    :raises GridSecurityError: ``bad_mapping``.
    """
    match = _LINE.fullmatch(line)
    if not match:
        raise GridSecurityError("bad_mapping", f'{line!r} is no line of a grid-mapfile. Write "/DN" account.')
    return validated(_ESCAPE.sub(_unescaped, match.group(1) or match.group(2)), match.group(3).split(","))


def _unescaped(escape: re.Match[str]) -> str:
    if escape.group(1) is None:
        return escape.group(2)
    byte = int(escape.group(1), 16)
    return chr(byte) if 0x20 <= byte <= 0x7E else escape.group().upper().replace("X", "x", 1)


def read(text: str) -> list[Mapping]:
    """Return the mappings of a present file, without comments and damaged lines."""
    found = []
    for line in text.splitlines():
        try:
            found.append(parse(line))
        except GridSecurityError:
            continue
    return found


def validated(dn: Any, accounts: list[Any]) -> Mapping:
    """Return a mapping of a DN in any form of :mod:`one_line_dn`.

    :raises GridSecurityError: ``bad_mapping``: the DN or an account cannot be in a grid-mapfile.
    """
    subject = _subject(str(dn))
    wrong = [account for account in accounts if not _ACCOUNT.fullmatch(str(account))]
    if wrong or not accounts:
        raise GridSecurityError(
            "bad_mapping", f"{dn}: {wrong[0] if wrong else 'nothing'!r} is no name of an account. Correct it."
        )
    return Mapping(subject, tuple(map(str, accounts)))


def _subject(dn: str) -> str:
    remedy = "The result of pkcs12_pem has the right form as subject_dn."
    try:
        subject = one_line_dn.read(dn)
    except one_line_dn.DnError as error:
        raise GridSecurityError("bad_mapping", f"{error}. {remedy}") from None
    if '"' in subject or not subject.isprintable():
        raise GridSecurityError(
            "bad_mapping",
            f"{dn!r} holds a quotation mark or a character that is not printable, which a line of a grid-mapfile must"
            f" not have. {remedy}",
        )
    return subject


def kept(present: Iterable[Mapping], account: str, taken: set[str]) -> list[Mapping]:
    """Return the mappings to ``account`` that stay, because this run could not compute new ones.

    :param present: the mappings of the present file.
    :param taken: the DNs that this run maps, as of :func:`one_line_dn.comparable`. The present mappings of these DNs do
        not stay.
    """
    return [
        Mapping(mapping.dn, (account,))
        for mapping in present
        if account in mapping.accounts and one_line_dn.comparable(mapping.dn) not in taken
    ]


def render(mappings: Iterable[Mapping]) -> str:
    """Return the file, in the given order. All accounts of a DN are in the line of its first mapping.

    Globus compares the DN that OpenSSL prints. OpenSSL 3.0 prints some DNs in another spelling than OpenSSL 1.1.
    Each of these DNs has two lines.
    """
    lines: dict[str, tuple[str, dict[str, None]]] = {}
    for mapping in mappings:
        _dn, accounts = lines.setdefault(one_line_dn.comparable(mapping.dn), (mapping.dn, {}))
        accounts.update(dict.fromkeys(mapping.accounts))
    return "".join(
        f'"{_BACKSLASH.sub(_ESCAPED, spelling)}" {",".join(accounts)}\n'
        for dn, accounts in lines.values()
        for spelling in one_line_dn.spellings(dn)
    )
