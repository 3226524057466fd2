# SPDX-License-Identifier: GPL-3.0-or-later
"""Reproducible keys."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ansible_collections.grid.security.plugins.module_utils import pkcs8

KEY = ec.derive_private_key(0x1234567890, ec.SECP256R1())
INFO = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def test_encrypted_key_opens_with_its_passphrase() -> None:
    opened = load_pem_private_key(pkcs8.encrypt(INFO, "sesame", 1000), b"sesame")
    assert opened.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) == INFO


def test_same_input_gives_same_bytes() -> None:
    assert pkcs8.encrypt(INFO, "sesame", 1000) == pkcs8.encrypt(INFO, "sesame", 1000)


def test_passphrase_and_rounds_change_everything() -> None:
    variants = {pkcs8.encrypt(INFO, word, rounds) for word in ("sesame", "seasme") for rounds in (1000, 1001)}
    assert len(variants) == 4
