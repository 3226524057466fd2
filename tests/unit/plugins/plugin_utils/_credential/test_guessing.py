# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the costs of a guess at the passphrases of a credential."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._credential import pkcs8
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.plugins.plugin_utils._credential import guessing
from ansible_collections.grid.security.tests.support import conversions, pki

MAC_OF_2048 = b"\x02\x02\x08\x00"


def iterations(data: bytes, privatekey: bytes | None = None, **changes: Any) -> int | None:
    return guessing.iterations(
        conversions.source(data, {**conversions.DEFAULTS, "kdf_iterations": 1000, **changes}, "alice.p12", privatekey)
    )


def archive(encryption: int, mac: int = 2048) -> bytes:
    data = pki.issue().archive(iterations=encryption)
    if not data.endswith(MAC_OF_2048):
        pytest.skip("this version of cryptography gives the MAC a single iteration")
    return data[: -len(MAC_OF_2048)] + b"\x02\x02" + mac.to_bytes(2, "big")


@pytest.mark.skipif(pki.CRYPTOGRAPHY < 38, reason="cryptography before 38 takes no iterations")
@pytest.mark.parametrize(
    ("stored", "encryption", "mac", "largest"),
    [(9000, 3000, 4000, 9000), (3000, 9000, 4000, 9000), (3000, 4000, 9000, 9000), (9000, 9000, 9000, 9000)],
)
def test_the_largest_counts(stored: int, encryption: int, mac: int, largest: int) -> None:
    assert iterations(archive(encryption, mac), kdf_iterations=stored) == largest


def test_an_archive_without_encryption_costs_as_much_as_the_stored_key() -> None:
    assert iterations(pki.issue().archive(""), kdf_iterations=5000) == 5000


def stored_key(number: int) -> bytes:
    return pkcs8.encrypt(b"any bytes", "store", number)


@pytest.mark.parametrize(("stored", "own"), [(3000, 9000), (9000, 3000)])
def test_a_pem_key_counts(stored: int, own: int) -> None:
    assert iterations(b"", stored_key(own), kdf_iterations=stored) == 9000


def test_a_pem_key_in_traditional_form_has_no_iterations() -> None:
    form = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"import"))
    assert iterations(b"", pki.issue().key.private_bytes(*form)) == 1000


@pytest.mark.parametrize(
    "oid", ["1.3.6.1.4.1.11591.4.11", "1.2.840.113549.2.11", "2.16.840.1.101.3.4.2.3"], ids=["scrypt", "hmac", "sha512"]
)
def test_other_functions_cannot_be_compared(oid: str) -> None:
    scheme = der.encode_sequence(der.encode_oid(oid), der.encode_integer(2048))
    algorithm = der.encode_sequence(der.encode_oid("1.2.840.113549.1.5.13"), der.encode_sequence(scheme))
    key = der.encode_sequence(algorithm, der.encode_octet_string(b"ciphertext"))
    assert iterations(b"", pem.encode("ENCRYPTED PRIVATE KEY", key)) is None


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x30\x80", b"\x02\x01\x03"])
def test_what_is_damaged_cannot_be_compared(data: bytes) -> None:
    assert iterations(data) is None
    assert iterations(b"", pem.encode("ENCRYPTED PRIVATE KEY", data)) is None


def test_what_is_too_large_is_not_read() -> None:
    assert iterations(pki.issue().archive("") + bytes(1 << 20)) is None


def test_what_will_be_refused_is_not_derived() -> None:
    assert iterations(b"", stored_key(2000), max_kdf_iterations=1999) is None
