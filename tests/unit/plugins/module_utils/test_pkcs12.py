# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening archives, and saying what is wrong with the others."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12 as library
from cryptography.x509.oid import NameOID

from ansible_collections.grid.security.plugins.module_utils import der, pkcs12
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError


@pytest.fixture(scope="module", name="pair")
def _pair() -> tuple[Any, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Alice")])
    now = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=365))
    return key, builder.sign(key, hashes.SHA256())


def archive(pair: tuple[Any, Any], passphrase: bytes = b"sesame") -> bytes:
    encryption = serialization.BestAvailableEncryption(passphrase)
    return library.serialize_key_and_certificates(b"alice", pair[0], pair[1], None, encryption)


def kind(data: bytes, passphrase: str | None, **options: int) -> str:
    with pytest.raises(GridSecurityError) as caught:
        pkcs12.load(data, passphrase, name="alice.p12", **options)
    assert caught.value.message.startswith("alice.p12: ")
    return caught.value.kind


def test_opens(pair: Any) -> None:
    opened = pkcs12.load(archive(pair), "sesame", name="alice.p12")
    assert opened.certificate == pair[1]
    assert opened.key.private_numbers() == pair[0].private_numbers()


def test_unicode_passphrase(pair: Any) -> None:
    assert pkcs12.load(archive(pair, "sésame€".encode()), "sésame€", name="alice.p12").certificate == pair[1]


@pytest.mark.parametrize(("passphrase", "expected"), [("wrong", "wrong_passphrase"), (None, "passphrase_required")])
def test_wrong_passphrase(pair: Any, passphrase: str | None, expected: str) -> None:
    assert kind(archive(pair), passphrase) == expected


def test_truncated(pair: Any) -> None:
    assert kind(archive(pair)[:-10], "sesame") == "truncated"


def test_rounds_above_the_limit(pair: Any) -> None:
    assert kind(archive(pair), "sesame", max_kdf_iterations=100) == "kdf_limit"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"x" * (1 << 20) + b"x", "too_large"),
        (b"-----BEGIN CERTIFICATE-----\n", "not_pkcs12"),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "not_pkcs12"),
        (b"<!DOCTYPE html>", "not_pkcs12"),
        (der.encode_sequence(der.encode_integer(3)), "not_pkcs12"),
    ],
)
def test_no_archive(data: bytes, expected: str) -> None:
    assert kind(data, "sesame") == expected


def test_der_certificate_is_named(pair: Any) -> None:
    with pytest.raises(GridSecurityError, match="a DER certificate"):
        pkcs12.load(pair[1].public_bytes(serialization.Encoding.DER), None, name="alice.p12")
