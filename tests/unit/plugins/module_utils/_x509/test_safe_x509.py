# SPDX-License-Identifier: GPL-3.0-or-later
"""Test that a loaded certificate raises no error later."""

from __future__ import annotations

import warnings

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._x509 import host_names, safe_x509
from ansible_collections.grid.security.tests.support import pki

ALICE = pki.issue("Alice", authority=True, host="alice.example.org")
DER = ALICE.certificate.public_bytes(Encoding.DER)

# Changes that keep all lengths. cryptography loads most of the results, and stumbles when it is asked for a part.
DAMAGES = {
    "version": (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),
    "no string": (b"\x0c\x05Alice", b"\x03\x05Alice"),
    "null": (b"\x0c\x05Alice", b"\x05\x05Alice"),
    "name": (b"\x31\x0e\x30\x0c\x06\x03\x55\x04\x03", b"\x05\x0e\x30\x0c\x06\x03\x55\x04\x03"),
    "no UTF-8": (b"\x0c\x05Alice", b"\x0c\x05Al\xff\xfee"),
}


def damaged(change: tuple[bytes, bytes]) -> bytes:
    assert change[0] in DER
    return DER.replace(*change)


def test_pem_and_der() -> None:
    assert safe_x509.load(DER) == safe_x509.load(b"Bag Attributes\n" + ALICE.pem) == ALICE.certificate


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found_at_once(damage: str) -> None:
    with pytest.raises(safe_x509.CertificateError, match="."):
        safe_x509.load(damaged(DAMAGES[damage]))


@pytest.mark.parametrize("data", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\x30\x80"])
def test_no_certificate(data: bytes) -> None:
    with pytest.raises(safe_x509.CertificateError):
        safe_x509.load(data)


def test_serial_number_below_zero_is_taken_without_a_warning() -> None:
    start = DER.index(b"\xa0\x03\x02\x01\x02") + 7
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert safe_x509.load(DER[:start] + b"\x80" + DER[start + 1 :]).subject == ALICE.certificate.subject


def test_extension_that_is_there_twice() -> None:
    twice = safe_x509.load(damaged((b"\x06\x03\x55\x1d\x13", b"\x06\x03\x55\x1d\x11")))
    with pytest.raises(safe_x509.CertificateError, match="uplicate" if pki.CRYPTOGRAPHY >= 42 else "."):
        host_names.dns_names(twice)
