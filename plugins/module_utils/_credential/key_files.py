# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the public facts of a private key file in PEM, without its passphrase, with the standard library only.

The facts are whether the key is encrypted, and the parameters of its key derivation. The result never contains
ciphertext or key bytes.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import pbes2
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.plugins.module_utils._x509.certificate_der import RSA

__all__ = ["DAMAGED", "ENCRYPTED", "LARGEST", "MOST_ITERATIONS", "NONE", "PLAIN", "RSA", "describe"]

LARGEST = 1 << 16  # bytes of a file that is read; an RSA key of 16,384 bits takes 13 kB
MOST_ITERATIONS = 1 << 31  # this number and larger numbers are treated as errors

# The values of ``kind`` in the result of describe().
ENCRYPTED = "encrypted"
PLAIN = "plain"
DAMAGED = "damaged"
NONE = "none"

_KEY = "PRIVATE KEY"
_ENCRYPTED_PKCS8 = f"ENCRYPTED {_KEY}"
_TRADITIONAL = {f"{algorithm} {_KEY}" for algorithm in ("RSA", "DSA", "EC")}
# Encryption by passphrase: PBES1 and PBES2 (RFC 8018), and the schemes of PKCS#12 (RFC 7292 appendix C).
_PASSWORD_BASED = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")
_SALT_BYTES = 16
_LEAST_CIPHERTEXT = 32  # bytes; no private key is shorter


def describe(content: bytes) -> dict[str, Any]:
    """Return ``kind``, and ``salt`` (hexadecimal) and ``iterations`` of a key in the form that this collection writes.

    The form is PKCS#8 with PBES2, PBKDF2-HMAC-SHA256, 16 bytes of salt and AES-256-CBC. An unencrypted key has
    ``algorithm``, the object identifier of its type, if the file shows it. The kind is ``encrypted``
    only if all private keys of the file are encrypted and none of them is damaged.
    """
    if len(content) > LARGEST:
        return {"kind": NONE}
    keys = [block for block in pem.blocks(content) if block.label.endswith(_KEY)]
    if not keys:
        return {"kind": NONE}
    if not all(key.is_encrypted for key in keys):
        return {"kind": PLAIN, **_plain_facts(keys[0])}
    try:
        facts = [_facts(key) for key in keys]
    except der.DerError:
        return {"kind": DAMAGED}
    return {"kind": ENCRYPTED, **facts[0]}  # clients read the first key


def _plain_facts(key: pem.Block) -> dict[str, Any]:
    """Return the algorithm of PrivateKeyInfo (RFC 5208), or of PKCS#1, which the label names."""
    if key.label == f"RSA {_KEY}":
        return {"algorithm": RSA}
    try:
        return {} if key.label != _KEY else {"algorithm": der.read(key.data).child(1).child(0).oid()}
    except der.DerError:
        return {}


def _facts(key: pem.Block) -> dict[str, Any]:
    if key.label == _ENCRYPTED_PKCS8:
        return _pkcs8_facts(der.read(key.data))
    if key.label not in _TRADITIONAL or b"\nDEK-Info: " not in key.text or len(key.data) < _LEAST_CIPHERTEXT:
        raise der.DerError("no encrypted private key")
    return {}


def _pkcs8_facts(info: der.Element) -> dict[str, Any]:
    """Return the facts of a PKCS#8 key. :param info: EncryptedPrivateKeyInfo, RFC 5958."""
    algorithm, ciphertext = info.child(0, der.SEQUENCE), info.child(1, der.OCTET_STRING).octets()
    scheme = algorithm.child(0).oid()
    if not scheme.startswith(_PASSWORD_BASED) or len(ciphertext) < _LEAST_CIPHERTEXT:
        raise der.DerError("no private key that is encrypted with a passphrase")
    return _protection(algorithm.child(1, der.SEQUENCE)) if scheme == pbes2.PBES2 else {}


def _protection(parameters: der.Element) -> dict[str, Any]:
    """Return salt and iterations, or an empty dictionary if this collection does not write the form."""
    derivation, cipher = parameters.child(0, der.SEQUENCE), parameters.child(1, der.SEQUENCE)
    if (derivation.child(0).oid(), cipher.child(0).oid()) != (pbes2.PBKDF2, pbes2.AES_256_CBC):
        return {}
    fields = derivation.child(1, der.SEQUENCE)
    values = pbes2.read_pbkdf2(fields)
    is_ours = len(fields.children) == 3 and values.prf == pbes2.HMAC_SHA256 and len(values.salt) == _SALT_BYTES
    if not is_ours or not 0 < values.iterations < MOST_ITERATIONS:
        return {}
    return {"salt": values.salt.hex(), "iterations": values.iterations}
