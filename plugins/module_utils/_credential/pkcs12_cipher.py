# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decrypt one part of a PKCS#12 archive, by the encryption of RFC 7292, appendix C, or by PBES2 of RFC 8018.

cryptography opens archives as a whole or not at all. This module opens each part separately. So the collection can find
out why cryptography does not open an archive, and can open archives whose passphrase is not encoded in UTF-8.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import kdf, pbes2, pkcs12_passphrase, rc2
from ansible_collections.grid.security.plugins.module_utils._x509 import algorithm_names, der

try:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass
try:  # cryptography 43 and later
    from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
except ImportError:
    decrepit = None  # type: ignore[assignment]

__all__ = ["UnknownCipherError", "decrypt", "encodings"]

_KEY, _IV = 1, 2  # purposes, RFC 7292 appendix B.3
_MOST_MEMORY = 1 << 29  # bytes, of scrypt
# Of RFC 7292: cipher, bytes of the key, effective bits of RC2
_OF_PKCS12: dict[str, tuple[str, int, int]] = {
    "1.2.840.113549.1.12.1.1": ("ARC4", 16, 0),
    "1.2.840.113549.1.12.1.2": ("ARC4", 5, 0),
    "1.2.840.113549.1.12.1.3": ("TripleDES", 24, 0),
    "1.2.840.113549.1.12.1.4": ("TripleDES", 16, 0),
    "1.2.840.113549.1.12.1.5": ("RC2", 16, 128),
    "1.2.840.113549.1.12.1.6": ("RC2", 5, 40),
}
# Of PBES2, all in CBC mode: cipher, bytes of the key
_OF_PBES2: dict[str, tuple[str, int]] = {
    "1.2.840.113549.3.7": ("TripleDES", 24),
    **{f"2.16.840.1.101.3.4.1.{2 + 20 * one}": ("AES", 16 + 8 * one) for one in range(3)},
    **{f"1.2.392.200011.61.1.1.1.{2 + one}": ("Camellia", 16 + 8 * one) for one in range(3)},
}


class UnknownCipherError(ValueError):
    """Report a cipher or a key derivation that is not supported. The text is the name of the algorithm."""


def encodings(algorithm: der.Element, passphrases: Iterable[bytes | None]) -> Iterator[bytes | None]:
    """Yield the passphrases, and for PBES2 also with characters of two bytes, as old versions of Mozilla's NSS did."""
    for passphrase in passphrases:
        yield passphrase
        if passphrase and algorithm.child(0).oid() == pbes2.PBES2:
            yield pkcs12_passphrase.as_characters(passphrase)


def decrypt(algorithm: der.Element, data: bytes, passphrase: bytes | None) -> bytes:
    """Return the plain text.

    :raises UnknownCipherError: the algorithm is not supported, so the passphrase is not tested.
    :raises DerError: the padding is wrong, because the passphrase is wrong, or because the data are damaged.
    """
    oid = algorithm.child(0).oid()
    if oid != pbes2.PBES2 and oid not in _OF_PKCS12:
        raise UnknownCipherError(algorithm_names.name(oid))
    parameters = algorithm.child(1)
    if oid == pbes2.PBES2:
        return _pbes2(parameters.child(0), parameters.child(1), data, passphrase or b"")
    name, size, bits = _OF_PKCS12[oid]
    characters = pkcs12_passphrase.as_characters(passphrase)
    salt, iterations = parameters.child(0).octets(), parameters.child(1).integer()
    key, iv = (kdf.pkcs12("sha1", characters, salt, iterations, *one) for one in ((_KEY, size), (_IV, 8)))
    if name == "RC2":
        return _unpadded(rc2.decrypt_cbc(key, bits, iv, data), 8)
    return _decrypt(name, key + key[:8] if size == 16 and name == "TripleDES" else key, iv, data)


def _pbes2(derivation: der.Element, scheme: der.Element, data: bytes, passphrase: bytes) -> bytes:
    oid = scheme.child(0).oid()
    if oid not in _OF_PBES2:
        raise UnknownCipherError(algorithm_names.name(oid))
    name, size = _OF_PBES2[oid]
    return _decrypt(name, _derive(derivation, passphrase, size), scheme.child(1, der.OCTET_STRING).octets(), data)


def _derive(derivation: der.Element, passphrase: bytes, size: int) -> bytes:
    oid, parameters = derivation.child(0).oid(), derivation.child(1)
    if oid == pbes2.PBKDF2:
        try:
            return kdf.pbkdf2(pbes2.read_pbkdf2(parameters), passphrase, size)
        except LookupError as error:
            raise UnknownCipherError(algorithm_names.name(str(error.args[0]))) from None
    if oid != kdf.SCRYPT:
        raise UnknownCipherError(algorithm_names.name(oid))
    n, r, p = (parameters.child(index).integer() for index in (1, 2, 3))
    try:
        salt = parameters.child(0).octets()
        return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=size)
    except (ValueError, OverflowError):
        raise der.DerError("scrypt refuses the numbers") from None


def _decrypt(name: str, key: bytes, iv: bytes, data: bytes) -> bytes:
    algorithm = _algorithm(name)(key)
    block = 0 if name == "ARC4" else algorithm.block_size // 8
    if block and len(iv) != block:
        raise der.DerError("the IV is not as long as a block")
    try:
        decryptor = Cipher(algorithm, modes.CBC(iv) if block else None).decryptor()
    except UnsupportedAlgorithm:  # by the OpenSSL of cryptography, for example with FIPS
        raise UnknownCipherError(name) from None
    return _unpadded(decryptor.update(data[: len(data) // block * block]), block) if block else decryptor.update(data)


def _algorithm(name: str) -> Any:
    """Return cryptography's class of a cipher. cryptography moves old ciphers to the module ``decrepit``."""
    found = getattr(decrepit, name, None) or getattr(algorithms, name, None)
    if found is None:
        raise UnknownCipherError(name)
    return found


def _unpadded(data: bytes, block: int) -> bytes:
    size = data[-1] if data else 0
    if not 1 <= size <= block or data[-size:] != bytes([size]) * size:
        raise der.DerError("wrong padding")
    return data[:-size]
