# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in slash form, with openssl as the oracle."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.grid.security.plugins.module_utils import names
from ansible_collections.grid.security.tests.support import pki

PRINTABLE = {"2.5.4.5", "2.5.4.6", "2.5.4.46"}  # serialNumber, C and dnQualifier allow plain ASCII only
OIDS = sorted(set(names._SHORT_NAMES) - PRINTABLE)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is the oracle, and it is not installed")
@pytest.mark.parametrize("value", ["plain", "with/slash=and,comma", "Zoë Müller", "日本", "tab\there"])
def test_equals_openssl(value: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(x509.ObjectIdentifier(oid), value) for oid in OIDS]
    attributes += [x509.NameAttribute(x509.ObjectIdentifier(oid), "CH") for oid in sorted(PRINTABLE)]
    name = x509.Name(attributes)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(pki.NOW).not_valid_after(pki.NOW + pki.DAY)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    command = ["openssl", "x509", "-noout", "-subject", "-nameopt", "compat"]
    printed = subprocess.run(command, input=pem, stdout=subprocess.PIPE, check=True).stdout.decode()
    # OpenSSL 3 escapes a slash; grid-mapfiles and signing policies have it plain, as all versions before did.
    assert names.slash_form(name) == printed.strip().split("=", 1)[1].strip().replace("\\/", "/")
