# SPDX-License-Identifier: GPL-3.0-or-later
"""Truststores for Java, read back by cryptography; keytool reads them in the functional tests."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from ansible_collections.grid.security.plugins.plugin_utils import anchors, java_truststore
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


def test_same_bytes_each_time() -> None:
    chosen = [anchor("one"), anchor("two")]
    assert java_truststore.render(chosen) == java_truststore.render(chosen)
