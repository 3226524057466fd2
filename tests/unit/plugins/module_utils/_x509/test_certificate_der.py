# SPDX-License-Identifier: GPL-3.0-or-later
"""What is taken for a certificate on a node."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, pem
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
DER = ROOT.certificate.public_bytes(Encoding.DER)
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(ROOT.certificate.subject).sign(ROOT.key, hashes.SHA256())
OTHERS = {
    "nothing": b"",
    "crl": pem.first(pki.revoke(ROOT, [1]), "X509 CRL") or b"",
    "request": REQUEST.public_bytes(Encoding.DER),
    "key": ROOT.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "truncated": DER[:-1],
    "text": b"no certificate",
}


@pytest.mark.parametrize("content", [DER, DER + b"more", ROOT.pem, b"Bag Attributes\n" + ROOT.pem])
def test_the_first_certificate(content: bytes) -> None:
    assert certificate_der.first(content) == DER
    assert certificate_der.is_one(DER)


@pytest.mark.parametrize("name", OTHERS)
def test_other_objects(name: str) -> None:
    assert certificate_der.first(OTHERS[name]) is None
    assert certificate_der.first(pem.encode("CERTIFICATE", OTHERS[name])) is None
    assert not certificate_der.is_one(OTHERS[name])
