# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the check that a TLS library loads a pair."""

from __future__ import annotations

import os
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import tls_pair
from ansible_collections.grid.security.tests.support import conversions, pki


def pem_of(key: Any) -> bytes:
    encoded: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return encoded


def check(certificate: bytes, privatekey: bytes) -> None:
    tls_pair.check(certificate, privatekey, key_type="RSA", name="alice.p12")


def test_a_pair() -> None:
    one = pki.issue()
    check(one.pem, pem_of(one.key))


def test_weak_keys_are_no_matter_of_the_pair() -> None:
    one = pki.issue(key=rsa.generate_private_key(65537, 1024))
    check(one.pem, pem_of(one.key))


def test_large_files() -> None:
    one = pki.issue()
    check(one.pem, b"# comment\n" * 100_000 + pem_of(one.key))
    check(one.pem + b"# comment\n" * 100_000, pem_of(one.key))


def test_an_rsa_key_below_an_rsa_pss_certificate_is_refused() -> None:
    if pki.CRYPTOGRAPHY < 38:
        pytest.skip("cryptography before 38 does not read RSA-PSS keys")
    one = pki.rsa_pss(pki.issue(key=rsa.generate_private_key(65537, 2048)))
    with pytest.raises(GridSecurityError) as caught:
        check(one.pem, pem_of(one.key))
    assert caught.value.error_code == "unusable_pair"


def test_no_descriptor_is_left_open() -> None:
    one = pki.issue()
    before = os.listdir("/proc/self/fd")
    check(one.pem, pem_of(one.key))
    assert os.listdir("/proc/self/fd") == before


def test_nothing_is_done_without_ssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_pair, "ssl", None)
    check(b"", b"")


def test_nothing_is_done_without_files_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls_pair, "_DESCRIPTORS", "/nonexistent")
    check(b"", b"")
    monkeypatch.delattr(os, "memfd_create")
    check(b"", b"")


@pytest.mark.parametrize("number", range(4))
def test_small_keys_of_old_kinds(number: int) -> None:
    """OpenSSL 3.0 reads some of these from files only, and not from pipes."""
    key = dsa.generate_private_key(1024)
    check(pki.issue(f"Alice {number}", issuer=pki.issue("CA"), key=key).pem, pem_of(key))


def test_keys_that_cannot_sign_are_refused_by_name() -> None:
    """X25519 keys agree on secrets only. No TLS library takes one for a certificate."""
    ca, key = pki.issue("CA"), x25519.X25519PrivateKey.generate()
    builder = x509.CertificateBuilder().subject_name(pki.distinguished_name("Alice")).public_key(key.public_key())
    builder = builder.issuer_name(ca.certificate.subject).serial_number(1)
    builder = builder.not_valid_before(pki.NOW - pki.DAY).not_valid_after(pki.NOW + pki.DAY)
    try:
        certificate = builder.sign(ca.key, hashes.SHA256())
    except TypeError:
        pytest.skip("this cryptography makes no certificates of X25519 keys")
    given = {**conversions.DEFAULTS, "encrypt_privatekey": False}
    with pytest.raises(GridSecurityError, match="alice.crt: .* X25519 key .*: unknown certificate type. ") as caught:
        conversions.convert(pki.Credential(key, certificate).pem, given, "alice.crt", pem_of(key))
    assert caught.value.error_code == "unusable_pair"
