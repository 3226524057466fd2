# SPDX-License-Identifier: GPL-3.0-or-later
"""Test CRL distribution points of CAs, and CRLs that are refused."""

from __future__ import annotations

import datetime
import time

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import ca_certificate, crl
from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_sources
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchors
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
URL = "http://example.org/root.crl"


def test_a_list_without_an_end_is_refused() -> None:
    found = crl.Crl(b"", b"", datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc), None, None, None, False)
    with pytest.raises(crl.CrlError, match="has no time of the next CRL"):
        crl_sources._check_times(found, times.now())


def test_time_grows_with_the_number_of_authorities_only() -> None:
    one, text = pki.issue("Many", authority=True).facts, b"http://example.org/crl\n"
    many = [anchors.Anchor(f"ca{n}", one, b"", {"crl_url": text * (n % 50)}, set(), "bundle") for n in range(5000)]
    start = time.process_time()
    assert len(crl_sources.distribution_points(many)) == 49
    assert time.process_time() - start < 5


def test_authority_with_a_key_that_cryptography_does_not_know() -> None:
    curve = bytes.fromhex("2a8648ce3d030107")
    data = ROOT.certificate.public_bytes(Encoding.DER).replace(curve, curve[:-1] + b"\x66")
    anchor = anchors.Anchor("ca", ca_certificate.read(data), b"", {"crl_url": URL.encode()}, set(), "bundle")
    (point,) = crl_sources.distribution_points([anchor])
    with pytest.raises(crl.CrlError, match="signature that cannot be checked"):
        crl_sources.check(pki.revoke(ROOT, [7]), point, times.now())
