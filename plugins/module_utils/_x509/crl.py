# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the facts of a CRL (RFC 5280 section 5), with the standard library only.

The reader skips the entries, so a CRL with a million entries costs no more than its bytes. It checks no signature.
"""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import der, distinguished_name, pem

__all__ = ["LARGEST", "PEM_LABEL", "Crl", "CrlError", "decode", "facts", "read", "time_of"]

LARGEST = 16 << 20  # bytes; the largest CRLs of the grid's CAs have some MiB
PEM_LABEL = "X509 CRL"
# RFC 5280 section 4.1.2.5: in UTC, with seconds and without fractions.
_TIMES = {der.UTC_TIME: 13, der.GENERALIZED_TIME: 15}  # characters
_PARTS_OF_TIME = [(0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14)]  # from the year to the second
_FIRST_OF_1900 = 50  # two-digit years from this year on belong to the twentieth century
_NUMBER = "2.5.29.20"
_DELTA = "2.5.29.27"
_KEY = "2.5.29.35"  # authorityKeyIdentifier
_KEY_ID = 0x80
# A CRL may come from a directory of a user. These fields are sent to the controller, so they are limited.
_LONGEST_ISSUER = 4096  # bytes
_LONGEST_KEY_ID = 64  # bytes; usually 20, a SHA-1 digest
_LONGEST_NUMBER = 160  # bits; RFC 5280 section 5.2.3


class CrlError(ValueError):
    """Report a fault of a CRL, in words that fit after its name."""


@dataclass(frozen=True)
class Crl:
    """Hold the facts of a CRL.

    :param der: the whole CRL. :param issuer: the DER of the issuer's name. :param key_id: the issuer's key that signed.
    :param number: the CRL number. Number and key_id are None if they are missing, or longer than any CA writes them.
    """

    der: bytes
    issuer: bytes
    this_update: datetime.datetime
    next_update: datetime.datetime | None
    number: int | None
    key_id: bytes | None
    is_delta: bool

    @property
    def pem(self) -> bytes:
        """Return the CRL as PEM, in OpenSSL's form."""
        return pem.encode(PEM_LABEL, self.der)


def decode(data: bytes) -> bytes:
    """Return the DER of the first CRL in PEM.

    :raises CrlError: there is no CRL, or it is truncated or damaged.
    """
    encoded = pem.first(data, PEM_LABEL)
    if encoded is None:
        raise CrlError("is truncated" if b"-----BEGIN X509 CRL-----" in data else f"is no CRL but {_guess(data)}")
    if not encoded:
        raise CrlError("is damaged (no Base64)")
    return encoded


def _guess(data: bytes) -> str:
    start = data.lstrip()[:20].lower()
    if not data.strip():
        return "empty"
    return "a web page" if start.startswith((b"<!doctype", b"<html")) else "something else"


def read(data: bytes) -> Crl:
    """Read a CRL in PEM or DER.

    :raises CrlError: the data are no CRL, or are truncated or damaged.
    """
    encoded = data if data[:1] == bytes([der.SEQUENCE]) else decode(data)
    try:
        outer = next(der.split(encoded))
        fields = list(der.split(next(der.split(outer.content)).content))
        return _read(outer.encoded(), fields)  # without the bytes after the CRL
    except der.Truncated:
        raise CrlError("is truncated") from None
    except CrlError:
        raise
    except (ValueError, IndexError, StopIteration) as error:
        raise CrlError(f"is damaged ({error or 'parts are missing'})") from None


def _read(encoded: bytes, fields: list[der.Element]) -> Crl:
    if fields[0].tag == der.INTEGER:  # the version, which is missing in version 1
        fields = fields[1:]
    _signature, issuer, this_update, *rest = fields
    if issuer.tag != der.SEQUENCE or this_update.tag not in _TIMES:
        raise der.DerError("no issuer or no time where a CRL has them")
    next_update = time_of(rest[0]) if rest and rest[0].tag in _TIMES else None
    extensions = _extensions(rest[-1]) if rest and rest[-1].tag == der.CONTEXT_0 else {}
    if len(issuer.content) > _LONGEST_ISSUER:
        raise der.DerError(f"an issuer of more than {_LONGEST_ISSUER} bytes")
    name = issuer.encoded()
    distinguished_name.canonical(name)  # raises an error if it is no name
    told = (_number(extensions.get(_NUMBER)), _key_id(extensions.get(_KEY)))
    return Crl(encoded, name, time_of(this_update), next_update, *told, _DELTA in extensions)


def _number(extension: bytes | None) -> int | None:
    number = None if extension is None else der.read(extension).integer()
    return None if number is None or number.bit_length() > _LONGEST_NUMBER else number


def _key_id(extension: bytes | None) -> bytes | None:
    fields = () if extension is None else der.read(extension).children
    key_id = next((one.content for one in fields if one.tag == _KEY_ID), None)
    return None if key_id is None or len(key_id) > _LONGEST_KEY_ID else key_id


def time_of(element: der.Element) -> datetime.datetime:
    """Return the time in an element.

    :raises ValueError: the element has no time.
    """
    if element.tag not in _TIMES:
        raise der.DerError("no time")
    text = element.content.decode("ascii")
    if len(text) != _TIMES[element.tag] or not text[:-1].isdigit() or text[-1] != "Z":
        raise der.DerError(f"{text!r} is no time")
    if element.tag == der.UTC_TIME:
        text = f"{19 if int(text[:2]) >= _FIRST_OF_1900 else 20}{text}"
    # Do not use strptime: its first call imports a module, and this process may have the rights of a user then.
    parts = [int(text[start:end]) for start, end in _PARTS_OF_TIME]
    return datetime.datetime(*parts, tzinfo=datetime.timezone.utc)  # type: ignore[arg-type, misc]


def _extensions(element: der.Element) -> dict[str, bytes]:
    """Return the values of the extensions by object identifier."""
    found = der.read(element.content).children
    return {extension.child(0).oid(): extension.children[-1].octets() for extension in found}


def facts(crl: Crl) -> dict[str, Any]:
    """Return the facts that node and controller exchange about a CRL. ``sha256`` is the digest of its DER."""
    return {
        "issuer": distinguished_name.canonical(crl.issuer).hex(),
        "this_update": times.iso(crl.this_update),
        "next_update": crl.next_update and times.iso(crl.next_update),
        "number": crl.number,
        "key_id": crl.key_id.hex() if crl.key_id else None,
        "sha256": hashlib.sha256(crl.der).hexdigest(),
    }
