# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert distinguished names to the forms that grid software compares.

This module needs the standard library only, for nodes without cryptography.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ansible_collections.grid.security.plugins.module_utils._x509 import attribute_names, der, one_line_dn

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["WIDE", "canonical", "der_hashes", "der_one_line", "one_line"]


def one_line(name: x509.Name) -> str:
    """Return the OpenSSL one-line DN, such as ``/DC=org/DC=example/CN=Alice``. See :func:`der_one_line`."""
    return der_one_line(name.public_bytes())


def der_one_line(encoded: bytes) -> str:
    r"""Return the OpenSSL one-line DN of the DER of a name, most general part first.

    X509_NAME_oneline of OpenSSL 1.1 prints this form, and VOMS and grid-mapfiles use it. Each byte that is not
    printable ASCII is ``\xNN``. OpenSSL 3.0 prints some names in another spelling; see :mod:`one_line_dn`.

    :raises ValueError: ``encoded`` is no name.
    """
    pairs = [pair for rdn in der.read(encoded).children for pair in rdn.children]
    return "".join(
        f"/{_short_name(pair.child(0).oid())}={one_line_dn.printable(_octets(pair.child(1)))}" for pair in pairs
    )


def _short_name(oid: str) -> str:
    return attribute_names.SHORT_NAMES.get(oid, oid)


def _octets(value: der.Element) -> bytes:
    """Return the bytes of a value in their own encoding."""
    if value.tag == der.BIT_STRING:
        return value.content[1:]
    return value.encoded() if value.tag & _CONSTRUCTED else value.content


_CONSTRUCTED = 0x20
WIDE = {0x1C: "utf-32-be", 0x1E: "utf-16-be"}  # UniversalString, BMPString
# The string types that OpenSSL's canonical form turns into UTF8String (ASN1_MASK_CANON), with their encodings.
_CANONICAL = {
    0x0C: "utf-8",
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # T61String, as OpenSSL reads it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    **WIDE,
}
_UTF8_STRING = 0x0C
_SET = 0x31


def der_hashes(encoded: bytes) -> tuple[str, str]:
    """Return the current and the old hash of the DER of a name. Clients find CAs by these hashes.

    The current hash is SHA-1 of the canonical encoding (X509_NAME_hash_ex). The old hash is MD5 of the DER
    (X509_NAME_hash_old). Both are the first four bytes, little-endian.

    :raises ValueError: ``encoded`` is no name.
    """
    current = hashlib.sha1(canonical(encoded), usedforsecurity=False)
    old = hashlib.md5(encoded, usedforsecurity=False)
    return current.digest()[:4][::-1].hex(), old.digest()[:4][::-1].hex()


def canonical(encoded: bytes) -> bytes:
    """Return OpenSSL's canonical encoding of the DER of a name. It is equal for names that are the same to clients.

    :raises ValueError: ``encoded`` is no name.
    """
    return b"".join(_canonical_rdn(rdn) for rdn in der.read(encoded).children)


def _canonical_rdn(rdn: der.Element) -> bytes:
    pairs = []
    for pair in rdn.children:
        kind, value = pair.child(0, der.OBJECT_IDENTIFIER), pair.child(1)
        kind.oid()  # raises an error if it is no object identifier
        text = _canonical_value(value) if value.tag in _CANONICAL else value.encoded()
        pairs.append(der.encode_sequence(kind.encoded(), text))
    return der.encode(_SET, b"".join(sorted(pairs)))


def _canonical_value(value: der.Element) -> bytes:
    """Return a value as UTF8String, with single spaces and ASCII letters in lower case."""
    text = value.content.decode(_CANONICAL[value.tag]).encode()
    return der.encode(_UTF8_STRING, b" ".join(text.lower().split()))
