# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a CRL lists a certificate (RFC 5280 section 5.3), with the standard library only."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils import crl, der

__all__ = ["revoked_on"]

_LONG_LENGTH = b"\x30\x81"  # of a SEQUENCE of 128 bytes or more; one length octet follows


def revoked_on(encoded: bytes, serial_number: int) -> datetime.datetime | None:
    """When the certificate with this serial number was revoked, or None.

    A list may have a million entries, so they are not read one by one: the bytes of the serial number are looked for, and
    what stands around them must be an entry.

    :param encoded: the DER of a CRL whose issuer is that of the certificate.
    """
    wanted = der.encode_integer(serial_number)
    for start in _occurrences(encoded, wanted):
        if _begins_entry(encoded, start):
            try:
                return crl.time_of(next(der.split(encoded[start + len(wanted) : start + len(wanted) + 32])))
            except (ValueError, StopIteration):  # no time follows, so it is no entry
                continue
    return None


def _occurrences(encoded: bytes, wanted: bytes) -> Iterator[int]:
    start = encoded.find(wanted)
    while start >= 0:
        yield start
        start = encoded.find(wanted, start + 1)


def _begins_entry(encoded: bytes, start: int) -> bool:
    """Whether the header of a SEQUENCE stands before ``start``."""
    short = encoded[start - 2 : start - 1] == bytes([der.SEQUENCE]) and encoded[start - 1] < 0x80
    return short or encoded[start - 3 : start - 1] == _LONG_LENGTH
