# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#8 private keys whose encryption is reproducible: same key, passphrase and rounds give the same bytes.

Usual encryption takes a random salt and IV, so equality of files says nothing. Here both are derived from the private
key itself (the synthetic-IV construction of RFC 5297, carried over to PBES2): an observer of two files learns whether
key, passphrase *and* rounds are equal, and nothing else. ``docs/reproducible-keys.md`` gives the argument.

The output is what every grid client reads: PBES2 (RFC 8018) with PBKDF2-HMAC-SHA256 and AES-256-CBC.
"""

from __future__ import annotations

import hashlib
import hmac

from ansible_collections.grid.security.plugins.module_utils import der, pem

try:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
except ImportError:  # reported by keypair.check_cryptography, which comes first
    pass

__all__ = ["encrypt"]

# Object identifiers of RFC 8018 (PKCS #5), appendix A to C, and of NIST's AES-256-CBC.
_PBES2 = "1.2.840.113549.1.5.13"
_PBKDF2 = "1.2.840.113549.1.5.12"
_HMAC_SHA256 = "1.2.840.113549.2.9"
_AES256_CBC = "2.16.840.1.101.3.4.1.42"

_CONTEXT = b"grid.security reproducible PKCS#8 v1"
_SALT_BYTES = 16
_BLOCK_BYTES = 16
_KEY_BYTES = 32


def encrypt(private_key_info: bytes, passphrase: str, iterations: int) -> bytes:
    """Encrypt a PKCS#8 ``PrivateKeyInfo`` (DER) and return PEM.

    :param passphrase: non-empty; used as UTF-8, as OpenSSL does.
    :param iterations: rounds of PBKDF2.
    """
    secret = passphrase.encode()
    salt = _derive(private_key_info, b"salt", secret, iterations)[:_SALT_BYTES]
    iv = _derive(private_key_info, b"iv", secret, iterations)[:_BLOCK_BYTES]
    key = hashlib.pbkdf2_hmac("sha256", secret, salt, iterations, _KEY_BYTES)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(_pad(private_key_info)) + encryptor.finalize()
    info = der.encode_sequence(_algorithm(salt, iv, iterations), der.encode_octet_string(encrypted))
    return pem.encode("ENCRYPTED PRIVATE KEY", info)


def _derive(private_key_info: bytes, purpose: bytes, secret: bytes, iterations: int) -> bytes:
    # Each field is preceded by its length, so no two different inputs give the same message.
    fields = (_CONTEXT, purpose, iterations.to_bytes(8, "big"), secret)
    message = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
    return hmac.new(private_key_info, message, "sha256").digest()


def _pad(data: bytes) -> bytes:
    missing = _BLOCK_BYTES - len(data) % _BLOCK_BYTES
    return data + bytes([missing]) * missing


def _algorithm(salt: bytes, iv: bytes, iterations: int) -> bytes:
    prf = der.encode_sequence(der.encode_oid(_HMAC_SHA256), der.ENCODED_NULL)
    kdf = der.encode_sequence(der.encode_octet_string(salt), der.encode_integer(iterations), prf)
    return der.encode_sequence(
        der.encode_oid(_PBES2),
        der.encode_sequence(
            der.encode_sequence(der.encode_oid(_PBKDF2), kdf),
            der.encode_sequence(der.encode_oid(_AES256_CBC), der.encode_octet_string(iv)),
        ),
    )
