# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the certificates that the CRLs of a trust directory revoke (RFC 5280 section 5.3)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._trust import crl_store
from ansible_collections.grid.security.plugins.module_utils._x509 import crl, der, distinguished_name, one_line_dn

__all__ = ["revoked", "revoked_on"]

_LONG_LENGTH = b"\x30\x81"  # of a SEQUENCE of 128 bytes or more; one length octet follows
_LONGEST_TIME = 32  # bytes of a time with its header


def revoked(path: str, certificates: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the certificates that a CRL in the directory ``path`` lists, each with ``revoked_on`` and ``file``.

    :param certificates: each with ``issuer_dn`` (an OpenSSL one-line DN) and ``serial_number`` (hexadecimal).
    :raises GridSecurityError: as :func:`crl_store.survey`.
    """
    by_issuer: dict[str, list[dict[str, str]]] = {}
    for certificate in certificates:
        by_issuer.setdefault(_issuer(certificate["issuer_dn"]), []).append(certificate)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for file, listed in crl_store.crls(path) if by_issuer else ():
        for certificate in by_issuer.get(distinguished_name.der_one_line(listed.issuer), []):
            moment = revoked_on(listed.der, _number(certificate["serial_number"]))
            if moment:
                told = {**certificate, "revoked_on": times.iso(moment), "file": file}
                found.setdefault((certificate["issuer_dn"], certificate["serial_number"]), told)
    return list(found.values())


def _issuer(dn: str) -> str:
    try:
        return one_line_dn.read(dn)
    except one_line_dn.DnError as error:
        raise GridSecurityError("bad_issuer_dn", f"certificates: issuer_dn: {error}.") from None


def _number(serial_number: str) -> int:
    try:
        return int(serial_number.replace(":", ""), 16)
    except ValueError:
        raise GridSecurityError(
            "bad_serial_number", f"certificates: {serial_number!r} is no serial number. Write hexadecimal digits."
        ) from None


def revoked_on(encoded: bytes, serial_number: int) -> datetime.datetime | None:
    """Return when the certificate with this serial number was revoked, or None.

    A CRL may have a million entries, so they are not read one by one. The bytes of the serial number are searched, and
    the bytes around them must form an entry.

    :param encoded: the DER of a CRL whose issuer is that of the certificate.
    """
    wanted = der.encode(der.INTEGER, serial_number.to_bytes(serial_number.bit_length() // 8 + 1, "big", signed=True))
    for start in _occurrences(encoded, wanted):
        following = encoded[start + len(wanted) : start + len(wanted) + _LONGEST_TIME]
        moment = _time(following) if _begins_entry(encoded, start) else None
        if moment:
            return moment
    return None


def _occurrences(encoded: bytes, wanted: bytes) -> Iterator[int]:
    start = encoded.find(wanted)
    while start >= 0:
        yield start
        start = encoded.find(wanted, start + 1)


def _begins_entry(encoded: bytes, start: int) -> bool:
    """Return whether the header of a SEQUENCE stands before ``start``."""
    short = encoded[start - 2 : start - 1] == bytes([der.SEQUENCE]) and encoded[start - 1] < 0x80
    return short or encoded[start - 3 : start - 1] == _LONG_LENGTH


def _time(following: bytes) -> datetime.datetime | None:
    """Return the time that follows the serial number of an entry."""
    try:
        return crl.time_of(next(der.split(following)))
    except (ValueError, StopIteration):
        return None
