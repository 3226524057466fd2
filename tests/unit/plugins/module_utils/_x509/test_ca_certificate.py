# SPDX-License-Identifier: GPL-3.0-or-later
"""CAs' certificates as the standard library reads them, with cryptography and openssl as oracles."""

from __future__ import annotations

import datetime
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._x509 import (
    ca_certificate,
    certificates,
    der,
    distinguished_name,
    pem,
)
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
RSA = pki.issue("Rsa", authority=True, key=rsa.generate_private_key(65537, 1024))  # noqa: S505
USER = pki.issue("User", issuer=ROOT)
EXPLICIT_CURVE = der.encode_sequence(
    der.encode_sequence(der.encode_oid("1.2.840.10045.2.1"), der.encode_sequence(der.encode_integer(1))),
    der.encode(0x03, b"\0\4" + 64 * b"\1"),
)
ODD = {
    "dates without seconds": pki.without_seconds(ROOT),
    "dates of another type without seconds": pki.altered(
        ROOT,
        validity=der.encode_sequence(
            der.encode(der.GENERALIZED_TIME, b"202001010000Z"), der.encode(der.GENERALIZED_TIME, b"204901010000Z")
        ),
    ),
    "dates with a time zone": pki.altered(ROOT, validity=pki.validity(b"200101000000+0100", b"490101000000-0030")),
    "serial number 0": pki.altered(ROOT, serial_number=der.encode(der.INTEGER, b"\0")),
    "negative serial number": pki.altered(ROOT, serial_number=der.encode(der.INTEGER, b"\x80")),
    "curve GOST R 34.10": pki.altered(
        ROOT,
        public_key=der.encode_sequence(
            der.encode_sequence(der.encode_oid("1.2.643.7.1.1.1.1"), der.encode_oid("1.2.643.2.2.35.1")),
            der.encode(0x03, b"\0" + der.encode_octet_string(64 * b"\1")),
        ),
    ),
    "curve by its parameters": pki.altered(ROOT, public_key=EXPLICIT_CURVE),
}


def read(one: pki.Credential) -> ca_certificate.CaCertificate:
    return ca_certificate.read(one.certificate.public_bytes(Encoding.DER))


def with_algorithm(oid: str, *parameters: bytes) -> ca_certificate.CaCertificate:
    algorithm = der.encode_sequence(der.encode_oid(oid), *parameters)
    return ca_certificate.read(pki.altered(ROOT, algorithm=algorithm))


@pytest.mark.parametrize("one", [ROOT, RSA, USER, pki.version_1(ROOT)])
def test_facts_are_those_of_cryptography(one: pki.Credential) -> None:
    found, certificate = read(one), one.certificate
    assert found.subject_dn == distinguished_name.one_line(certificate.subject)
    assert found.issuer_dn == distinguished_name.one_line(certificate.issuer)
    assert found.hashes == distinguished_name.der_hashes(certificate.subject.public_bytes())
    assert found.not_before == certificates.start(certificate)
    assert found.not_after == certificates.expiry(certificate)
    assert found.is_self_issued == (certificate.issuer == certificate.subject)
    assert found.is_ca == (one is not USER)
    assert found.fingerprint == certificate.fingerprint(hashes.SHA256()).hex(":")
    assert found.pem == one.pem
    assert found.common_name in ("Root", "Rsa", "User")
    assert found.oddity == ""


def test_weak_keys_and_digests() -> None:
    assert (read(RSA).rsa_bits, read(RSA).weak_digest) == (1024, "")
    assert (read(ROOT).rsa_bits, read(ROOT).weak_digest) == (None, "")
    assert with_algorithm("1.2.840.113549.1.1.5", der.ENCODED_NULL).weak_digest == "SHA-1"
    assert with_algorithm("1.2.840.113549.1.1.4", der.ENCODED_NULL).weak_digest == "MD5"
    assert with_algorithm("1.2.840.113549.1.1.2", der.ENCODED_NULL).weak_digest == "MD2"
    assert with_algorithm("1.2.840.113549.1.1.10", der.encode_sequence()).weak_digest == "SHA-1"  # RSA-PSS, its default
    sha256 = der.encode_sequence(der.encode_oid("2.16.840.1.101.3.4.2.1"))
    assert with_algorithm("1.2.840.113549.1.1.10", der.encode_sequence(der.encode(0xA0, sha256))).weak_digest == ""


@pytest.mark.parametrize("name", ODD)
def test_certificates_that_openssl_reads(name: str) -> None:
    found = ca_certificate.read(ODD[name])
    assert (found.subject_dn, found.is_ca) == ("/DC=org/DC=example/CN=Root", True)
    assert bool(found.oddity) == ("GOST" not in name)
    if shutil.which("openssl"):
        command = ["openssl", "x509", "-inform", "DER", "-noout", "-subject_hash", "-subject_hash_old", "-enddate"]
        printed = subprocess.run(command, input=ODD[name], stdout=subprocess.PIPE, check=True).stdout.decode()
        *hashes_, end = printed.splitlines()
        assert tuple(hashes_) == found.hashes
        expected = datetime.datetime.strptime(end, "notAfter=%b %d %H:%M:%S %Y GMT")
        assert expected == found.not_after.replace(tzinfo=None)


def test_dates_with_a_time_zone() -> None:
    assert ca_certificate.read(ODD["dates with a time zone"]).not_before.isoformat() == "2019-12-31T23:00:00+00:00"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("validity", pki.validity(b"200101000000Z", b"491301000000Z")),  # a thirteenth month
        ("validity", pki.validity(b"200101000000Z", "４９0101000000Z".encode())),
        ("validity", der.encode_sequence(der.encode(0x17, b"200101000000Z"))),
        ("serial_number", der.encode(der.INTEGER, b"")),
        ("serial_number", der.encode_octet_string(b"1")),
        ("subject", der.encode_sequence(b"\1")),
        ("extensions", der.encode(0xA3, b"\x30\x05")),
    ],
)
def test_fields_that_decide_where_it_is_placed_must_be_readable(field: str, value: bytes) -> None:
    with pytest.raises(ca_certificate.UnreadableError):
        ca_certificate.read(pki.altered(ROOT, **{field: value}))


def test_every_truncation_is_found() -> None:
    data = ROOT.certificate.public_bytes(Encoding.DER)
    for length in range(len(data)):
        with pytest.raises(ca_certificate.UnreadableError):
            ca_certificate.read(data[:length])
    assert ca_certificate.read(data + b"more").der == data


def test_subject_of_a_certificate_that_cannot_be_read() -> None:
    damaged = pki.altered(ROOT, validity=der.encode_sequence())
    assert ca_certificate.subject(damaged) == ROOT.certificate.subject.public_bytes()
    assert ca_certificate.subject(pem.encode("CERTIFICATE", damaged)) is None
    assert ca_certificate.subject(b"") is None
