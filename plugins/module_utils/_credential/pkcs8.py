# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encrypt PKCS#8 private keys reproducibly: the same key, passphrase and iterations give the same bytes.

Usual encryption uses a random salt and IV, so equal keys have different files. Here salt and IV are derived from the
private key and the iterations. The passphrase is an input of the AES key only, through PBKDF2. So salt and IV give
nobody a faster way to test passphrases. ``docs/reproducible-keys.md`` describes and discusses the construction.

The output is a form that every grid client reads: PBES2 (RFC 8018) with PBKDF2-HMAC-SHA256 and AES-256-CBC.

The header of a file does not name the version of the derivation. Versions 1 and 2 have the same structure: 16 bytes of
salt, no ``keyLength``, ``hmacWithSHA256`` with NULL, 16 bytes of IV. They differ in the values of salt and IV, and only
somebody with the private key can compute these values. In version 2 they do not depend on the passphrase. So a
comparison of two files of the same private key has these results:

- same salt, IV and iterations, other ciphertext: the passphrase differs;
- same iterations, other salt and IV: version 1, or another program, wrote at least one of the files.
"""

from __future__ import annotations

import hashlib
import hmac

from ansible_collections.grid.security.plugins.module_utils._credential import pbes2
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["encrypt"]

_LABEL = b"grid.security reproducible PKCS#8 v2"
_SALT_BYTES = 16
_BLOCK_BYTES = 16
_KEY_BYTES = 32


def encrypt(private_key_info: bytes, passphrase: str, iterations: int) -> bytes:
    """Encrypt a PKCS#8 ``PrivateKeyInfo`` (DER) and return PEM.

    :param passphrase: non-empty; used as UTF-8, as OpenSSL does.
    :param iterations: of PBKDF2.
    """
    salt = _derive(private_key_info, b"salt", iterations)[:_SALT_BYTES]
    iv = _derive(private_key_info, b"iv", iterations)[:_BLOCK_BYTES]
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, iterations, _KEY_BYTES)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(_pad(private_key_info)) + encryptor.finalize()
    info = der.encode_sequence(_algorithm(salt, iv, iterations), der.encode_octet_string(encrypted))
    return pem.encode("ENCRYPTED PRIVATE KEY", info)


def _derive(private_key_info: bytes, purpose: bytes, iterations: int) -> bytes:
    # The length stands before each field, so two different inputs never give the same message.
    fields = (_LABEL, purpose, iterations.to_bytes(8, "big"))
    message = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    return hmac.new(private_key_info, message, "sha256").digest()


def _pad(data: bytes) -> bytes:
    missing = _BLOCK_BYTES - len(data) % _BLOCK_BYTES
    return data + bytes([missing]) * missing


def _algorithm(salt: bytes, iv: bytes, iterations: int) -> bytes:
    prf = der.encode_sequence(der.encode_oid(pbes2.HMAC_SHA256), der.ENCODED_NULL)
    parameters = der.encode_sequence(der.encode_octet_string(salt), der.encode_integer(iterations), prf)
    return der.encode_sequence(
        der.encode_oid(pbes2.PBES2),
        der.encode_sequence(
            der.encode_sequence(der.encode_oid(pbes2.PBKDF2), parameters),
            der.encode_sequence(der.encode_oid(pbes2.AES_256_CBC), der.encode_octet_string(iv)),
        ),
    )
