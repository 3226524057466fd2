# SPDX-License-Identifier: GPL-3.0-or-later
"""Test when a certificate may replace the certificate in place."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import policy, reasons
from ansible_collections.grid.security.plugins.module_utils._x509 import certificates, der, pem
from ansible_collections.grid.security.tests.support import conversions, pki


def review(new: pki.Credential, old: pki.Credential | None, **changes: Any) -> None:
    before = None if old is None else certificates.describe(old.certificate)
    policy.review(certificates.describe(new.certificate), before, conversions.options(src="alice.p12", **changes))


@pytest.mark.parametrize(
    ("new", "old", "kind", "override"),
    [
        (pki.issue(start=-10, days=5), None, "expired", "allow_expired"),
        (pki.issue(start=1), None, "not_yet_valid", "allow_not_yet_valid"),
        (pki.issue("Bob"), pki.issue("Alice"), "subject_change", "allow_subject_change"),
        (pki.issue(start=-20), pki.issue(start=-10), "older", "allow_older"),
    ],
)
def test_refusals_and_their_overrides(new: Any, old: Any, kind: str, override: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        review(new, old)
    assert (caught.value.error_code, caught.value.message[:11]) == (kind, "alice.p12: ")
    review(new, old, **{override: True})


def test_renewal_is_explained() -> None:
    old, new = (certificates.describe(pki.issue(start=start).certificate) for start in (-50, -1))
    why = reasons.of_certificate(new, old, check=False)
    assert why == f"certificate renewed: {old['not_after'][:10]} → {new['not_after'][:10]}"


@pytest.mark.parametrize("end", [b"00050101000000Z", b"99991231235959Z"])
def test_validity_at_the_ends_of_time(end: bytes) -> None:
    root = der.read(pki.issue().certificate.public_bytes(serialization.Encoding.DER))
    parts = [part.encoded() for part in root.children[0].children]
    parts[4] = der.encode_sequence(der.encode(0x18, b"00050101000000Z"), der.encode(0x18, end))
    rest = [part.encoded() for part in root.children[1:]]
    facts = certificates.present(pem.encode("CERTIFICATE", der.encode_sequence(der.encode_sequence(*parts), *rest)))
    assert facts is not None
    assert facts["not_before"] == "0005-01-01T00:00:00Z"
    assert abs(policy.days_left(facts)) > 700_000
