# SPDX-License-Identifier: GPL-3.0-or-later
"""Truststores for Java, read back by cryptography; keytool reads them in the functional tests."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from ansible_collections.grid.security.plugins.module_utils._x509 import ca_certificate, der
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchors, java_truststore
from ansible_collections.grid.security.tests.support import pki


def anchor(alias: str) -> anchors.Anchor:
    one = pki.issue(alias, authority=True)
    return anchors.Anchor(alias, one.facts, one.pem, {}, set(), "test")


@pytest.mark.skipif(pki.CRYPTOGRAPHY < 37, reason="cryptography 36 reads no archive without a MAC; keytool does")
@pytest.mark.parametrize("aliases", [[], ["One"], ["One", "two", "ONE"]])
def test_all_anchors_under_different_names(aliases: list[str]) -> None:
    chosen = [anchor(alias) for alias in aliases]
    store = pkcs12.load_pkcs12(java_truststore.render(chosen), None)
    read = {one.certificate.public_bytes(Encoding.DER): one.friendly_name for one in store.additional_certs}
    assert set(read) == {one.certificate.der for one in chosen}
    assert len(set(read.values())) == len(aliases)
    assert set(read.values()) >= {alias.lower().encode() for alias in aliases}


def test_a_ca_that_java_cannot_read_is_left_out() -> None:
    """keytool refuses a store with any of these certificates."""
    root = pki.issue("Root", authority=True, host="ca.example.org")
    parameters = der.encode_sequence(der.encode_oid("1.2.840.10045.2.1"), der.encode_sequence(der.encode_integer(1)))
    odd = [
        pki.altered(root, public_key=der.encode_sequence(parameters, der.encode(0x03, b"\0\4"))),
        root.facts.der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07"),  # version 8
        root.facts.der.replace(b"\x55\x1d\x13", b"\x55\x1d\x11"),  # an extension twice
    ]
    bad = [anchors.Anchor(f"bad{n}", ca_certificate.read(one), b"", {}, set(), "test") for n, one in enumerate(odd)]
    good = anchor("good")
    assert java_truststore.render([good, *bad]) == java_truststore.render([good])
    (warning,) = java_truststore.warnings([good, *bad])
    assert "bad0 (its key has the parameters of a curve in place of the curve's name), bad1 (it has the" in warning
    assert java_truststore.warnings([good]) == []


def test_same_bytes_each_time() -> None:
    chosen = [anchor("one"), anchor("two")]
    assert java_truststore.render(chosen) == java_truststore.render(chosen)
