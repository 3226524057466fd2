# SPDX-License-Identifier: GPL-3.0-or-later
"""Names in slash form and as hashes, with openssl as the oracle."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from ansible_collections.grid.security.plugins.module_utils import host_names, names
from ansible_collections.grid.security.tests.support import pki

PRINTABLE = {"2.5.4.5", "2.5.4.6", "2.5.4.46"}  # serialNumber, C and dnQualifier allow plain ASCII only
OIDS = sorted(set(names._SHORT_NAMES) - PRINTABLE)


needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is the oracle, and it is missing")


def ask_openssl(name: x509.Name, *options: str) -> list[str]:
    """What openssl prints of a certificate for ``name``."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(pki.NOW).not_valid_after(pki.NOW + pki.DAY)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    command = ["openssl", "x509", "-noout", *options]
    return subprocess.run(command, input=pem, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


@needs_openssl
@pytest.mark.parametrize("value", ["plain", "with/slash=and,comma", "Zoë Müller", "日本", "tab\there"])
def test_slash_form_equals_openssl(value: str) -> None:
    attributes = [x509.NameAttribute(x509.ObjectIdentifier(oid), value) for oid in OIDS]
    attributes += [x509.NameAttribute(x509.ObjectIdentifier(oid), "CH") for oid in sorted(PRINTABLE)]
    name = x509.Name(attributes)
    (printed,) = ask_openssl(name, "-subject", "-nameopt", "compat")
    # OpenSSL 3 escapes a slash; grid-mapfiles and signing policies have it plain, as all versions before did.
    assert names.der_slash_form(name.public_bytes()) == names.slash_form(name)
    assert names.slash_form(name) == printed.split("=", 1)[1].strip().replace("\\/", "/")


@needs_openssl
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("UTF8String", "plain"),
        ("UTF8String", "  Many   SPACES  within "),
        ("UTF8String", "Zoë MÜLLER"),
        ("UTF8String", "ends with a tab\t"),
        ("PrintableString", "  Many   SPACES  within "),
        ("T61String", "Plain"),
        ("BMPString", "Zoë  MÜLLER "),
        ("UniversalString", "日本  CA"),
    ],
)
def test_hashes_equal_openssl(kind: str, value: str) -> None:
    parts = [(NameOID.COUNTRY_NAME, "CH", "PrintableString"), (NameOID.COMMON_NAME, value, kind)]
    parts.append((NameOID.EMAIL_ADDRESS, "CA@Example.org", "IA5String"))
    made = [x509.NameAttribute(oid, text, _type=_ASN1Type[form]) for oid, text, form in parts]
    name = x509.Name([x509.RelativeDistinguishedName(made[:1]), x509.RelativeDistinguishedName(made[1:])])
    encoded = name.public_bytes()  # where the parts of one RDN are in another order
    assert sorted(names.der_slash_form(encoded).split("/")) == sorted(names.slash_form(name).split("/"))
    assert list(names.hashes(name)) == ask_openssl(name, "-subject_hash", "-subject_hash_old")


@pytest.mark.parametrize(
    ("common_name", "host", "expected"),
    [
        ("ignored.example.org", "se.example.org", ["se.example.org"]),
        ("se.example.org", None, ["se.example.org"]),
        ("host/se.example.org", None, ["se.example.org"]),
    ],
)
def test_hosts_of_a_certificate(common_name: str, host: str | None, expected: list[str]) -> None:
    assert host_names.dns_names(pki.issue(common_name, host=host).certificate) == expected


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("se.example.org", "SE.example.org.", True),
        ("*.example.org", "se.example.org", True),
        ("*.example.org", "a.b.example.org", False),
        ("*.example.org", "example.org", False),
        ("se.example.org", "wn.example.org", False),
    ],
)
def test_names_that_cover_a_host(pattern: str, host: str, expected: bool) -> None:
    assert host_names.covers(pattern, host) is expected
