# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a credential in PEM: a file with the certificate and its chain, and a file with the private key."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import kdf
from ansible_collections.grid.security.plugins.module_utils._x509 import der, key_pair, pem, safe_x509

try:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["load"]

# An initialization vector shorter than the 16 bytes of AES (RFC 1421, 4.6.1.3, in OpenSSL's form). cryptography
# ignores white space, including Unicode white space, so this pattern matches text and not bytes.
_SHORT_IV = re.compile(r"\bDEK-Info\s*:\s*AES-[^,\n]*,\s*\w{0,31}\s*$", re.MULTILINE | re.IGNORECASE)
_KEY_LABEL = re.compile(r"((ENCRYPTED|RSA|EC|DSA) )?PRIVATE KEY")


def load(
    certificates: bytes, privatekey: bytes, passphrase: str | None, *, name: str, max_kdf_iterations: int = 10_000_000
) -> key_pair.KeyPair:
    """Read both files.

    :param passphrase: the passphrase of the private key, if the key is encrypted; else it is not used.
    :param name: the credential's name in messages.
    :raises GridSecurityError: ``no_cryptography``, ``too_large``, ``not_pem``, ``malformed``, ``no_private_key``,
        ``passphrase_required``, ``wrong_passphrase``, ``kdf_limit``, ``unsupported_algorithm`` or ``no_certificate``.
    """
    key_pair.check_cryptography()
    for data in (certificates, privatekey):
        if len(data) > key_pair.LARGEST:
            raise GridSecurityError("too_large", f"{name}: a file is larger than 1 MiB, so it is no credential.")
    key = _load_key(privatekey, passphrase, name, max_kdf_iterations)
    return key_pair.match(key, _load_certificates(certificates, name), name=name)


def _load_certificates(data: bytes, name: str) -> list[x509.Certificate]:
    blocks = [block for block in pem.blocks(data) if block.label == "CERTIFICATE"]
    if not blocks:
        raise GridSecurityError(
            "not_pem",
            f"{name}: it holds no PEM certificate. Name the certificate in src; for a PKCS#12 archive, do not set"
            " privatekey_src.",
        )
    try:
        return [safe_x509.load(block.data) for block in blocks]
    except safe_x509.CertificateError as error:
        raise GridSecurityError("malformed", f"{name}: a certificate is damaged ({error}). Fetch it again.") from None


def _load_key(data: bytes, passphrase: str | None, name: str, limit: int) -> Any:
    blocks = [block for block in pem.blocks(data) if _KEY_LABEL.fullmatch(block.label)]
    if len(blocks) != 1:
        raise GridSecurityError(
            "no_private_key",
            f"{name}: privatekey_src holds {len(blocks) or 'no'} PEM private keys, and must hold one. Name the file"
            " that was made with the certificate request.",
        )
    (block,) = blocks
    if block.label.startswith("ENCRYPTED"):
        _refuse_bomb(block.data, limit, name)
    if block.is_encrypted and not passphrase:
        raise GridSecurityError(
            "passphrase_required", f"{name}: the private key is encrypted. Set passphrase to its passphrase."
        )
    return _open_key(block, passphrase, name)


def _refuse_bomb(data: bytes, limit: int, name: str) -> None:
    """Refuse too many iterations. By RFC 5958, EncryptedPrivateKeyInfo starts with the algorithm."""
    try:
        kdf.refuse_bombs(list(kdf.iterations(der.read(data).child(0))), limit, name)
    except der.DerError:
        raise _damaged(name) from None


def _open_key(block: pem.Block, passphrase: str | None, name: str) -> Any:
    if _SHORT_IV.search(block.text.decode(errors="replace")):  # cryptography panics at such a key
        raise _damaged(name)
    try:
        return load_pem_private_key(block.text, str(passphrase).encode() if block.is_encrypted else None)
    except UnsupportedAlgorithm as error:
        raise GridSecurityError(
            "unsupported_algorithm",
            f"{name}: the private key cannot be read here: {error}. Convert it by openssl pkey.",
        ) from None
    except (TypeError, ValueError):
        if block.is_encrypted:
            raise GridSecurityError(
                "wrong_passphrase", f"{name}: the passphrase does not open the private key. Correct passphrase."
            ) from None
        raise _damaged(name) from None


def _damaged(name: str) -> GridSecurityError:
    return GridSecurityError("malformed", f"{name}: the private key is damaged. Fetch it again.")
