# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the facts about a certificate in results."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import certificates
from ansible_collections.grid.security.tests.support import pki

ALICE = pki.issue("Alice", issuer=pki.issue("Root", authority=True), start=-3, days=10)


def test_facts() -> None:
    assert certificates.describe(ALICE.certificate) == {
        "subject": "CN=Alice,DC=example,DC=org",
        "subject_dn": "/DC=org/DC=example/CN=Alice",
        "issuer": "CN=Root,DC=example,DC=org",
        "issuer_dn": "/DC=org/DC=example/CN=Root",
        "serial_number": f"{ALICE.certificate.serial_number:x}",
        "not_before": times.iso(pki.NOW - 3 * pki.DAY),
        "not_after": times.iso(pki.NOW + 7 * pki.DAY),
        "sha256_fingerprint": ALICE.certificate.fingerprint(hashes.SHA256()).hex(":"),
    }
    assert certificates.present(ALICE.pem) == certificates.describe(ALICE.certificate)
    assert certificates.expiry(ALICE.certificate) - certificates.start(ALICE.certificate) == 10 * pki.DAY


@pytest.mark.parametrize("content", [b"", b"rubbish", ALICE.pem[:-60]])
def test_what_is_no_certificate_has_no_facts(content: bytes) -> None:
    assert certificates.present(content) is None
