# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Match CAs against filters: an alias or DN (both may be shell patterns), or a fingerprint."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn

__all__ = ["Exclusion", "matches", "read_exclusions"]

_FINGERPRINT = re.compile(r"[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){19}|[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31}")


@dataclass(frozen=True)
class Exclusion:
    """A CA that is excluded. :param pattern: as of :func:`matches`. :param reason: the text of the site."""

    pattern: str
    reason: str | None = None


def matches(pattern: str, alias: str, dn: str | None, certificate: bytes) -> bool:
    """Return whether a filter names this CA.

    :param pattern: a fingerprint (SHA-1 or SHA-256); a DN in any form of :mod:`one_line_dn`; or an alias.
    :param certificate: DER.
    """
    if _FINGERPRINT.fullmatch(pattern):
        wanted = pattern.replace(":", "").lower()
        # Publishers print SHA-1 fingerprints. A filter selects certificates, and nothing is trusted because of it.
        digests = hashlib.sha256(certificate), hashlib.sha1(certificate, usedforsecurity=False)
        return wanted in [digest.hexdigest() for digest in digests]
    wanted = _spelled(pattern)
    value = dn if _is_dn(pattern) else alias
    return value is not None and (value == wanted or fnmatch.fnmatchcase(value, wanted))  # real DNs hold brackets


def _is_dn(pattern: str) -> bool:
    return pattern.startswith("/") or "=" in pattern  # which no alias has


@functools.lru_cache(maxsize=1024)
def _spelled(pattern: str) -> str:
    """Return a DN in the form of results, and an alias as it is.

    :raises GridSecurityError: ``bad_filter``: the form of the DN has no or two meanings.
    """
    try:
        return one_line_dn.read(pattern) if _is_dn(pattern) else pattern
    except one_line_dn.DnError as error:
        raise GridSecurityError("bad_filter", f"include or exclude: {error}.") from None


def read_exclusions(items: list[Any]) -> list[Exclusion]:
    """Return the items of an option ``exclude``: patterns, or dictionaries of ``alias`` or ``dn``, and ``reason``.

    :raises GridSecurityError: ``bad_exclusion``: an item is neither.
    """
    return [_read(item, number) for number, item in enumerate(items)]


def _read(item: Any, number: int) -> Exclusion:
    if isinstance(item, str) and item:
        return Exclusion(_spelled(item))
    if isinstance(item, dict) and all(isinstance(value, str) and value for value in item.values()):
        for name in ("alias", "dn"):
            if set(item) == {name, "reason"} and _is_dn(item[name]) is (name == "dn"):
                return Exclusion(_spelled(item[name]), item["reason"])
    raise GridSecurityError(
        "bad_exclusion",
        f"exclude[{number}]: {item!r} does not name a CA. Write an alias, a DN or a fingerprint; or a dictionary"
        " with alias or dn, and reason.",
    )
