# SPDX-License-Identifier: GPL-3.0-or-later
"""Write PKCS#12 archives that no program would write, with any key, certificate, cipher and MAC."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ansible_collections.grid.security.plugins.module_utils._credential import kdf
from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = [
    "AES_256",
    "SHA_256",
    "Pbmac1",
    "algorithm",
    "archive",
    "certificate_bag",
    "content_info",
    "encrypted",
    "key_bag",
    "plain",
    "sealed",
]

DATA = "1.2.840.113549.1.7.1"
PBES2, PBKDF2, AES_256 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "2.16.840.1.101.3.4.1.42"
SHA_256, HMAC_SHA_256 = "2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9"
_SALT, _IV, _ITERATIONS = b"saltsalt", bytes(16), 1000
_BAGS = "1.2.840.113549.1.12.10.1."


def algorithm(oid: str, parameters: bytes = der.ENCODED_NULL) -> bytes:
    return der.encode_sequence(der.encode_oid(oid), parameters)


def _explicit(content: bytes) -> bytes:
    return der.encode(der.CONTEXT_0, content)


def _pbes2(data: bytes, passphrase: bytes, cipher: str) -> tuple[bytes, bytes]:
    """Return the AlgorithmIdentifier of any cipher, and data that are always encrypted with AES-256-CBC."""
    key = hashlib.pbkdf2_hmac("sha256", passphrase, _SALT, _ITERATIONS, 32)
    missing = 16 - len(data) % 16
    encryptor = Cipher(algorithms.AES(key), modes.CBC(_IV)).encryptor()
    encrypted_data = encryptor.update(data + bytes([missing]) * missing) + encryptor.finalize()
    derivation = algorithm(PBKDF2, _pbkdf2(None))
    return algorithm(
        PBES2, der.encode_sequence(derivation, algorithm(cipher, der.encode_octet_string(_IV)))
    ), encrypted_data


def _pbkdf2(length: int | None, iterations: int = _ITERATIONS, prf: str = HMAC_SHA_256) -> bytes:
    sizes = [] if length is None else [der.encode_integer(length)]
    salt = der.encode_octet_string(_SALT)
    return der.encode_sequence(salt, der.encode_integer(iterations), *sizes, algorithm(prf))


def key_bag(info: bytes, passphrase: bytes | None = None, cipher: str = AES_256) -> bytes:
    """Return a bag with a PrivateKeyInfo, encrypted if there is a passphrase."""
    if passphrase is None:
        return der.encode_sequence(der.encode_oid(f"{_BAGS}1"), _explicit(info))
    how, data = _pbes2(info, passphrase, cipher)
    encrypted_info = der.encode_sequence(how, der.encode_octet_string(data))
    return der.encode_sequence(der.encode_oid(f"{_BAGS}2"), _explicit(encrypted_info))


def certificate_bag(certificate: bytes) -> bytes:
    kind = der.encode_oid("1.2.840.113549.1.9.22.1")
    bag = der.encode_sequence(kind, _explicit(der.encode_octet_string(certificate)))
    return der.encode_sequence(der.encode_oid(f"{_BAGS}3"), _explicit(bag))


def content_info(content: bytes, kind: str = DATA) -> bytes:
    return der.encode_sequence(der.encode_oid(kind), _explicit(content))


def plain(*bags: bytes) -> bytes:
    """Return a part that is not encrypted as a whole."""
    return content_info(der.encode_octet_string(der.encode_sequence(*bags)))


def encrypted(*bags: bytes, passphrase: bytes, cipher: str = AES_256) -> bytes:
    how, data = _pbes2(der.encode_sequence(*bags), passphrase, cipher)
    info = der.encode_sequence(der.encode_oid(DATA), how, der.encode(0x80, data))
    return content_info(der.encode_sequence(der.encode_integer(0), info), "1.2.840.113549.1.7.6")


@dataclass(frozen=True)
class Pbmac1:
    """Hold a MAC of RFC 9579, correct or wrong. :param used: the real length of the key, if another one is written."""

    length: int | None = 32
    prf: str = HMAC_SHA_256
    scheme: str = HMAC_SHA_256
    derivation: str = PBKDF2
    iterations: int = _ITERATIONS
    used: int | None = None
    used_iterations: int | None = None

    def data(self, content: bytes, passphrase: bytes) -> bytes:
        prf, scheme = (kdf.known_hash(oid) for oid in (self.prf, self.scheme))
        iterations = max(self.used_iterations or self.iterations, 1)
        key = hashlib.pbkdf2_hmac(prf, passphrase, _SALT, iterations, self.used or self.length or 32)
        derivation = algorithm(self.derivation, _pbkdf2(self.length, self.iterations, self.prf))
        how = algorithm("1.2.840.113549.1.5.14", der.encode_sequence(derivation, algorithm(self.scheme)))
        return _mac_data(how, hmac.new(key, content, scheme).digest())


def _mac_data(how: bytes, digest: bytes) -> bytes:
    info = der.encode_sequence(how, der.encode_octet_string(digest))
    return der.encode_sequence(info, der.encode_octet_string(_SALT), der.encode_integer(_ITERATIONS))


def _rfc_7292(content: bytes, characters: bytes, oid: str) -> bytes:
    name = kdf.known_hash(oid)
    key = kdf.pkcs12(name, characters, _SALT, _ITERATIONS, 3, hashlib.new(name).digest_size)
    return _mac_data(algorithm(oid), hmac.new(key, content, name).digest())


def archive(*parts: bytes, mac: bytes | None = None, form: Pbmac1 | str = SHA_256, version: int = 3) -> bytes:
    """Return an archive of these parts.

    :param mac: the passphrase of the MAC, without which there is none: for PBMAC1 its bytes, for a hash the two bytes
        of each character. :param form: of the MAC: a hash by its object identifier, as of RFC 7292, or :class:`Pbmac1`.
    """
    return sealed(der.encode_sequence(*parts), mac, form, version)


def sealed(content: bytes, mac: bytes | None, form: Pbmac1 | str = SHA_256, version: int = 3) -> bytes:
    """Return an archive with any bytes as its content."""
    macs = []
    if mac is not None:
        macs.append(form.data(content, mac) if isinstance(form, Pbmac1) else _rfc_7292(content, mac, form))
    return der.encode_sequence(der.encode_integer(version), content_info(der.encode_octet_string(content)), *macs)
