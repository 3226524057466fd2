# SPDX-License-Identifier: GPL-3.0-or-later
"""Test every archive of the package cryptography-vectors. It is read as cryptography reads it, or refused."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization import pkcs12 as library

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12
from ansible_collections.grid.security.tests.support import conversions

ROOT = Path(cryptography_vectors.__file__).parent
ARCHIVES = sorted([*(ROOT / "pkcs12").glob("*.p12"), *(ROOT / "x509/PKITS_data/pkcs12").glob("*.p12")])
PASSPHRASES = ["cryptography", "password", "", "a"]
REASONS = {
    "wrong_passphrase",
    "passphrase_required",
    "unsupported_algorithm",
    "malformed",  # DSA keys that inherit their parameters
    "no_private_key",
    "no_certificate",
}
OPTIONS = {**conversions.DEFAULTS, "encrypt_privatekey": False, "check_privatekey": True}


def by_the_library(data: bytes) -> tuple[str, Any, Any] | None:
    for passphrase in PASSPHRASES:
        for encoded in [passphrase.encode()] if passphrase else [b"", None]:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    return passphrase, *library.load_key_and_certificates(data, encoded)[:2]
            except ValueError:
                continue
    return None


def encoded(key: Any) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def test_the_corpus_is_there() -> None:
    assert len(ARCHIVES) > 400


@pytest.mark.parametrize("path", ARCHIVES, ids=lambda path: path.name)
def test_archive(path: Path) -> None:
    data = path.read_bytes()
    opened = by_the_library(data)
    if opened is None or opened[1] is None:
        with pytest.raises(GridSecurityError) as caught:
            pkcs12.load(data, "password", name=path.name)
        assert caught.value.error_code in REASONS
        return
    passphrase, key, certificate = opened
    if certificate is None:
        with pytest.raises(GridSecurityError) as caught:
            pkcs12.load(data, passphrase, name=path.name)
        assert caught.value.error_code == "no_certificate"
        return
    rendered = conversions.convert(data, {**OPTIONS, "passphrase": passphrase}, path.name)
    assert x509.load_pem_x509_certificate(rendered["certificate"].encode()) == certificate
    assert encoded(load_pem_private_key(rendered["privatekey"].encode(), None)) == encoded(key)
