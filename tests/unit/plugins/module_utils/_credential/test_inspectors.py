# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the facts about certificates, private keys and CRLs that the inspectors give the engine."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._credential.inspectors import INSPECTORS
from ansible_collections.grid.security.tests.support import pki

ALICE = pki.issue("Alice")
CA = pki.issue("CA", authority=True)
DER = ALICE.certificate.public_bytes(Encoding.DER)
KEY = ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
ENCRYPTED = ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))


@pytest.mark.parametrize(
    ("content", "public"), [(KEY + ALICE.pem, ALICE.pem), (DER, ALICE.pem), (KEY, b""), (b"", b"")], ids=range(4)
)
def test_the_public_part_is_the_first_certificate(content: bytes, public: bytes) -> None:
    assert INSPECTORS.public_part(content) == public
    fingerprint = hashlib.sha256(DER).hexdigest() if public else None
    assert INSPECTORS.fingerprint(content) == fingerprint


def test_only_encrypted_keys_are_encrypted_keys() -> None:
    assert INSPECTORS.is_encrypted_key(ENCRYPTED)
    assert not any(INSPECTORS.is_encrypted_key(content) for content in (KEY, DER, b""))


def test_facts_about_a_file_of_a_trust_directory() -> None:
    digest = hashlib.sha256(CA.certificate.public_bytes(Encoding.DER)).digest().hex(":")
    assert INSPECTORS.describe_file(CA.pem + KEY) == {"certificate": digest, "ca": True, "private_key": True}
    assert INSPECTORS.describe_linked(CA.pem) == {"ca": True}
    assert list(INSPECTORS.fingerprints(CA.pem + ALICE.pem))[0] == digest
    assert INSPECTORS.describe_file(b"") == {"certificate": None}
