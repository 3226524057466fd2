# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive keys from passphrases, and count the iterations that a file asks for before any key is derived."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import pbes2
from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = ["SCRYPT", "LongKeyError", "iterations", "known_hash", "pbkdf2", "pkcs12", "refuse_bombs"]

SCRYPT = "1.3.6.1.4.1.11591.4.11"
_KEY_BYTES = 64  # the longest key that takes no additional work
_LONGEST_KEY = 1 << 20  # bytes
# hashlib's names for the hashes of an integrity check, and for the hashes of the HMAC in PBKDF2.
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
    pbes2.HMAC_SHA256: "sha256",
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
    """Report a key that is too long. The text is its length in bytes."""


def refuse_bombs(asked: Iterable[int], limit: int, name: str) -> None:
    """Check that all derivations together stay within the limit.

    :param asked: the iterations of each derivation.
    :raises GridSecurityError: ``kdf_limit``: the sum is more than ``limit``.
    """
    total = sum(max(number, 0) for number in asked)
    if total > limit:
        raise GridSecurityError(
            "kdf_limit",
            f"{name}: it asks for {total} iterations of key derivation, and the limit is {limit}."
            " If the file can be trusted, raise max_kdf_iterations.",
        )


def iterations(algorithm: der.Element) -> Iterator[int]:
    """Yield the iterations of each key derivation in an algorithm. The first parameter of a derivation is the salt.

    The work of scrypt grows with N * r * p. The work of PBKDF2 also grows with the length of the key. So the product of
    these numbers is used.

    :raises LongKeyError: a key is longer than any file with a credential.
    """
    for scheme in algorithm.walk():
        if len(scheme.children) > 1 and scheme.children[0].tag == der.OBJECT_IDENTIFIER:
            numbers = [one.integer() for one in scheme.children[1].children[1:] if one.tag == der.INTEGER]
            yield from _asked(scheme.children[0].oid(), numbers)


def _asked(oid: str, numbers: list[int]) -> list[int]:
    if oid == SCRYPT:
        return [math.prod(max(number, 1) for number in numbers[:3])] if numbers else []
    if oid != pbes2.PBKDF2:
        return numbers
    if numbers[1:] and numbers[1] > _LONGEST_KEY:
        raise LongKeyError(str(numbers[1]))
    keys = max(1, -(-numbers[1] // _KEY_BYTES)) if numbers[1:] else 1
    return [number * keys for number in numbers[:1]]


def pbkdf2(parameters: pbes2.Pbkdf2Parameters, passphrase: bytes, size: int) -> bytes:
    """Derive a key of ``size`` bytes.

    :raises DerError: a number is out of range.
    :raises LookupError: the hash is unknown. The argument is its object identifier.
    """
    algorithm = "sha1" if parameters.prf is None else known_hash(parameters.prf)
    try:
        return hashlib.pbkdf2_hmac(algorithm, passphrase, parameters.salt, parameters.iterations, size)
    except (ValueError, OverflowError):
        raise der.DerError("the number of iterations or bytes is out of range") from None


def known_hash(oid: str) -> str:
    """Return hashlib's name of a hash.

    :raises LookupError: the hash is unknown, or the OpenSSL of hashlib does not have it, for example with FIPS.
    """
    algorithm = _HASHES.get(oid, "")
    try:
        hashlib.new(algorithm)
    except ValueError:
        raise LookupError(oid) from None
    return algorithm


def pkcs12(algorithm: str, passphrase: bytes, salt: bytes, iterations: int, purpose: int, size: int) -> bytes:
    """Derive ``size`` bytes with the algorithm of RFC 7292, appendix B.2.

    :param passphrase: characters of two bytes each. :param purpose: 1 for a key, 2 for an IV, 3 for a MAC.
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
