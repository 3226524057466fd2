# SPDX-License-Identifier: GPL-3.0-or-later
"""Reproducible keys."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from ansible_collections.grid.security.plugins.module_utils import pkcs8

RSA = Path(cryptography_vectors.__file__).parent / "asymmetric/PKCS8/unenc-rsa-pkcs8.pem"
KEYS: dict[str, Any] = {
    "rsa": load_pem_private_key(RSA.read_bytes(), None),
    "ec": ec.derive_private_key(0x1234567890, ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
}
# SHA-256 of the PEM. A change here would rewrite every key of every site: the format is versioned instead.
GOLDEN = {
    "rsa": "cb16a869bf5c99beb8c05369d7404af565a38dc919c240e7f40f26218d17c9d9",
    "ec": "9281443c7cc1e0b43bc3d18a10d990dd7dcf239c79aa34ad2989f1c2e692b7e2",
    "ed25519": "5b51de78688d55c266e75ba1e1938e9024f6c76f60c802b0e70063ad0252025c",
}


def info(name: str) -> bytes:
    encoded: bytes = KEYS[name].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encoded


@pytest.mark.parametrize("name", KEYS)
def test_bytes_are_the_same_for_ever(name: str) -> None:
    pem = pkcs8.encrypt(info(name), "sésame", 100_000)
    assert hashlib.sha256(pem).hexdigest() == GOLDEN[name]


@pytest.mark.parametrize("name", KEYS)
def test_opens_with_its_passphrase(name: str) -> None:
    opened = load_pem_private_key(pkcs8.encrypt(info(name), "sésame", 1000), "sésame".encode())
    assert opened.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) == info(name)


def test_key_passphrase_and_rounds_change_everything() -> None:
    variants = {
        pkcs8.encrypt(info(name), word, rounds)
        for name in KEYS
        for word in ("sesame", "seasme")
        for rounds in (1000, 1001)
    }
    assert len(variants) == 12
    assert len({variant.splitlines()[1] for variant in variants}) == 12
