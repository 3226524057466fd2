# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Key derivation: how much work a file asks for, read before anything is derived; and the derivations of PKCS#12."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = ["PBKDF2", "SCRYPT", "LongKeyError", "iterations", "known_hash", "pbkdf2", "pkcs12", "refuse_bombs"]

PBKDF2 = "1.2.840.113549.1.5.12"
SCRYPT = "1.3.6.1.4.1.11591.4.11"
_KEY_BYTES = 64  # as long as a key may be without more work
_LONGEST_KEY = 1 << 20  # bytes
# The hashes of an integrity check, and those of the HMAC that PBKDF2 uses, as hashlib calls them.
_HASHES = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "1.3.36.3.2.1": "ripemd160",
    "1.2.156.10197.1.401": "sm3",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.5": "sha512_224",
    "2.16.840.1.101.3.4.2.6": "sha512_256",
    "2.16.840.1.101.3.4.2.7": "sha3_224",
    "2.16.840.1.101.3.4.2.8": "sha3_256",
    "2.16.840.1.101.3.4.2.9": "sha3_384",
    "2.16.840.1.101.3.4.2.10": "sha3_512",
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
    "1.2.840.113549.2.12": "sha512_224",
    "1.2.840.113549.2.13": "sha512_256",
    "2.16.840.1.101.3.4.2.13": "sha3_224",
    "2.16.840.1.101.3.4.2.14": "sha3_256",
    "2.16.840.1.101.3.4.2.15": "sha3_384",
    "2.16.840.1.101.3.4.2.16": "sha3_512",
}


class LongKeyError(der.DerError):
    """A key is too long. The text is its length in bytes."""


def refuse_bombs(asked: Iterable[int], limit: int, name: str) -> None:
    """:raises GridSecurityError: ``kdf_limit``: ``asked`` is more than ``limit`` iterations all together."""
    total = sum(max(number, 0) for number in asked)
    if total > limit:
        raise GridSecurityError(
            "kdf_limit",
            f"{name}: it asks for {total} iterations of key derivation, and the limit is {limit}."
            " If the file can be trusted, raise max_kdf_iterations.",
        )


def iterations(algorithm: der.Element) -> Iterator[int]:
    """Yield the iterations of each key derivation within an algorithm. Its first parameter is the salt.

    The work of scrypt grows with N * r * p, and that of PBKDF2 with the length of the key. Their products count.

    :raises LongKeyError: a key is longer than any file with a credential.
    """
    for scheme in algorithm.walk():
        if len(scheme.children) > 1 and scheme.children[0].tag == der.OBJECT_IDENTIFIER:
            numbers = [one.integer() for one in scheme.children[1].children[1:] if one.tag == der.INTEGER]
            yield from _asked(scheme.children[0].oid(), numbers)


def _asked(oid: str, numbers: list[int]) -> list[int]:
    if oid == SCRYPT:
        return [math.prod(max(number, 1) for number in numbers[:3])] if numbers else []
    if oid != PBKDF2:
        return numbers
    if numbers[1:] and numbers[1] > _LONGEST_KEY:
        raise LongKeyError(str(numbers[1]))
    keys = max(1, -(-numbers[1] // _KEY_BYTES)) if numbers[1:] else 1
    return [number * keys for number in numbers[:1]]


def pbkdf2(parameters: der.Element, passphrase: bytes, size: int) -> bytes:
    """Derive a key of ``size`` bytes from the ``PBKDF2-params`` of RFC 8018.

    :raises DerError: they are damaged. :raises LookupError: the hash is unknown; its object identifier is the argument.
    """
    prf = [one.child(0).oid() for one in parameters.children if one.tag == der.SEQUENCE]
    algorithm = known_hash(prf[0]) if prf else "sha1"
    salt, iterations = parameters.child(0, der.OCTET_STRING).octets(), parameters.child(1).integer()
    try:
        return hashlib.pbkdf2_hmac(algorithm, passphrase, salt, iterations, size)
    except (ValueError, OverflowError):
        raise der.DerError("a number of iterations or bytes that nobody means") from None


def known_hash(oid: str) -> str:
    """Return hashlib's name of a hash.

    :raises LookupError: it is unknown, or the OpenSSL below hashlib lacks it, as with FIPS.
    """
    algorithm = _HASHES.get(oid, "")
    try:
        hashlib.new(algorithm)
    except ValueError:
        raise LookupError(oid) from None
    return algorithm


def pkcs12(algorithm: str, passphrase: bytes, salt: bytes, iterations: int, purpose: int, size: int) -> bytes:
    """Derive ``size`` bytes as RFC 7292, appendix B.2 does.

    :param passphrase: as characters of two bytes. :param purpose: 1 is for a key, 2 for an IV and 3 for a MAC.
    """
    new = getattr(hashlib, algorithm, None) or functools.partial(hashlib.new, algorithm)
    block = new().block_size
    fixed, variable, derived = bytes([purpose]) * block, _fill(salt, block) + _fill(passphrase, block), b""
    while len(derived) < size:
        value = fixed + variable
        for _iteration in range(max(iterations, 1)):
            value = new(value).digest()
        derived += value
        added = int.from_bytes(_fill(value, block)[:block], "big") + 1
        variable = b"".join(_sum(variable[at : at + block], added) for at in range(0, len(variable), block))
    return derived[:size]


def _sum(block: bytes, added: int) -> bytes:
    size = len(block)
    return ((int.from_bytes(block, "big") + added) % (1 << 8 * size)).to_bytes(size, "big")


def _fill(data: bytes, block: int) -> bytes:
    size = -(-len(data) // block) * block
    return (data * (size // len(data) + 1))[:size] if data else b""
