# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names in the forms that grid software compares.

All of it needs the standard library only, for nodes without cryptography.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ansible_collections.grid.security.plugins.module_utils import der

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["canonical", "der_hashes", "der_slash_form", "hashes", "slash_form"]

# Short names as OpenSSL's X509_NAME_oneline prints them; Globus, VOMS and grid-mapfiles use its output as it is.
_SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}


def slash_form(name: x509.Name) -> str:
    """``/DC=org/DC=example/CN=Alice``: most general part first, other than ASCII as ``\\xNN`` of its UTF-8."""
    return "".join(f"/{_short_name(part.oid.dotted_string)}={_printable(str(part.value).encode())}" for part in name)


def der_slash_form(encoded: bytes) -> str:
    """The same of the DER of a name.

    :raises ValueError: it is none.
    """
    pairs = [pair for rdn in der.read(encoded).children for pair in rdn.children]
    return "".join(f"/{_short_name(pair.child(0).oid())}={_printable(_octets(pair.child(1)))}" for pair in pairs)


def _short_name(oid: str) -> str:
    return _SHORT_NAMES.get(oid, oid)


def _octets(value: der.Element) -> bytes:
    """The strings of two and four bytes a character in UTF-8, all others as they are, as X509_NAME_oneline has them."""
    return value.content.decode(_WIDE[value.tag], "replace").encode() if value.tag in _WIDE else value.content


def _printable(value: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in value)


_WIDE = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}  # UniversalString, BMPString
# The string types that OpenSSL's canonical form turns into UTF8String (ASN1_MASK_CANON), with their encodings.
_CANONICAL = {
    0x0C: "utf-8",
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String, as OpenSSL reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    **_WIDE,
}
_UTF8_STRING = 0x0C
_SET = 0x31


def hashes(name: x509.Name) -> tuple[str, str]:
    """The eight hexadecimal digits under which a trust directory lists a name: today's, and OpenSSL 0.9's.

    Today's is SHA-1 over the canonical encoding (X509_NAME_hash_ex), the old one MD5 over the DER
    (X509_NAME_hash_old); of both the first four bytes, little-endian.
    """
    return der_hashes(name.public_bytes())


def der_hashes(encoded: bytes) -> tuple[str, str]:
    """The same of the DER of a name.

    :raises ValueError: it is none.
    """
    today = hashlib.sha1(canonical(encoded), usedforsecurity=False)
    old = hashlib.md5(encoded, usedforsecurity=False)
    return today.digest()[:4][::-1].hex(), old.digest()[:4][::-1].hex()


def canonical(encoded: bytes) -> bytes:
    """OpenSSL's canonical encoding of the DER of a name: equal for names that clients take for the same.

    :raises ValueError: it is no name.
    """
    return b"".join(_canonical_rdn(rdn) for rdn in der.read(encoded).children)


def _canonical_rdn(rdn: der.Element) -> bytes:
    pairs = []
    for pair in rdn.children:
        kind, value = pair.child(0, der.OBJECT_IDENTIFIER), pair.child(1)
        kind.oid()  # says whether it is one
        text = _canonical_value(value) if value.tag in _CANONICAL else der.encode(value.tag, value.content)
        pairs.append(der.encode_sequence(der.encode(kind.tag, kind.content), text))
    return der.encode(_SET, b"".join(sorted(pairs)))


def _canonical_value(value: der.Element) -> bytes:
    """Spaces trimmed and folded, ASCII letters in lower case, as UTF8String."""
    text = value.content.decode(_CANONICAL[value.tag]).encode()
    return der.encode(_UTF8_STRING, b" ".join(text.lower().split()))
