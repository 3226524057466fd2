# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the reader of CA certificates, by comparison with cryptography and openssl."""

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


# --- single fields ----------------------------------------------------------------------------------------------------


def with_validity(tag: int, text: bytes) -> ca_certificate.CaCertificate:
    """Return the root with the given start and an end in the far future."""
    end = der.encode(der.GENERALIZED_TIME, b"20990101000000Z")
    return ca_certificate.read(pki.altered(ROOT, validity=der.encode_sequence(der.encode(tag, text), end)))


@pytest.mark.parametrize(
    ("tag", "text", "expected", "is_odd"),
    [
        (der.UTC_TIME, b"500102030405Z", "1950-01-02T03:04:05", False),
        (der.UTC_TIME, b"491231235959Z", "2049-12-31T23:59:59", False),
        (der.UTC_TIME, b"4912312359Z", "2049-12-31T23:59:00", True),
        (der.UTC_TIME, b"200101000000+0130", "2019-12-31T22:30:00", True),
        (der.UTC_TIME, b"200101000000-0130", "2020-01-01T01:30:00", True),
        (der.GENERALIZED_TIME, b"20200102030405Z", "2020-01-02T03:04:05", False),
        (der.GENERALIZED_TIME, b"20200102030405.5Z", "2020-01-02T03:04:05", True),
    ],
)
def test_dates(tag: int, text: bytes, expected: str, is_odd: bool) -> None:
    found = with_validity(tag, text)
    assert found.not_before.isoformat() == f"{expected}+00:00"
    assert bool(found.odd_date) is is_odd
    assert (text.decode() in found.odd_date) is is_odd


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (der.UTC_TIME, b"20200102030405Z"),
        (der.GENERALIZED_TIME, b"2001020304Z"),
        (der.OCTET_STRING, b"200102030405Z"),
        (der.UTC_TIME, b"200102030460Z"),
        (der.UTC_TIME, b"200102030405"),
        (der.GENERALIZED_TIME, b"00010101000000+0100"),
        (der.UTC_TIME, b"9" * 100),
    ],
)
def test_what_is_no_date(tag: int, text: bytes) -> None:
    with pytest.raises(ca_certificate.UnreadableError, match="its validity has the date") as caught:
        with_validity(tag, text)
    assert len(str(caught.value)) < 80


def test_a_validity_of_three_dates() -> None:
    date = der.encode(der.UTC_TIME, b"200102030405Z")
    for number in (1, 3):
        with pytest.raises(ca_certificate.UnreadableError):
            ca_certificate.read(pki.altered(ROOT, validity=der.encode_sequence(*[date] * number)))


@pytest.mark.parametrize(
    ("serial", "is_odd"),
    [
        (b"\0", True),
        (b"\0\0", True),
        (b"\x80", True),
        (b"\xff", True),
        (b"\1", False),
        (b"\0\x80", False),
        (b"\1\0", False),
    ],
)
def test_serial_numbers(serial: bytes, is_odd: bool) -> None:
    found = ca_certificate.read(pki.altered(ROOT, serial_number=der.encode(der.INTEGER, serial)))
    assert bool(found.oddity) is is_odd
    assert (found.java_oddity, found.odd_date) == ("", "")


@pytest.mark.parametrize(
    ("oid", "digest"),
    [
        ("1.3.14.3.2.2", "MD4"),
        ("1.3.14.3.2.3", "MD5"),
        ("1.3.14.3.2.29", "SHA-1"),
        ("1.2.840.10040.4.3", "SHA-1"),
        ("1.2.840.10045.4.1", "SHA-1"),
        ("1.2.840.113549.1.1.11", ""),
    ],
)
def test_algorithms_of_signatures(oid: str, digest: str) -> None:
    assert with_algorithm(oid).weak_digest == digest


@pytest.mark.parametrize(
    ("oid", "digest"), [("1.2.840.113549.2.5", "MD5"), ("1.3.14.3.2.26", "SHA-1"), ("2.16.840.1.101.3.4.2.3", "")]
)
def test_digests_of_rsa_pss(oid: str, digest: str) -> None:
    chosen = der.encode(0xA0, der.encode_sequence(der.encode_oid(oid)))
    salt = der.encode(0xA2, der.encode_integer(20))
    assert with_algorithm("1.2.840.113549.1.1.10", der.encode_sequence(chosen, salt)).weak_digest == digest
    assert with_algorithm("1.2.840.113549.1.1.10", der.encode_sequence(salt)).weak_digest == "SHA-1"
    assert with_algorithm("1.2.840.113549.1.1.10").weak_digest == "SHA-1"


def test_keys_of_rsa_pss_and_damaged_ones() -> None:
    assert read(pki.rsa_pss(RSA)).rsa_bits == 1024
    algorithm = der.encode_sequence(der.encode_oid("1.2.840.113549.1.1.1"), der.ENCODED_NULL)
    for bits in (b"", b"\0", b"\0\x30\0", b"\0" + der.encode_sequence(der.ENCODED_NULL)):
        key = der.encode_sequence(algorithm, der.encode(der.BIT_STRING, bits))
        assert ca_certificate.read(pki.altered(ROOT, public_key=key)).rsa_bits is None


def test_what_java_refuses() -> None:
    data = ROOT.certificate.public_bytes(Encoding.DER)
    version, twice = b"\xa0\x03\x02\x01\x02", b"\x55\x1d\x13"
    for number, words in ((3, "version 4 and 1 ext"), (1, "version 2 and 1 ext"), (0, "version 1 and 1 ext")):
        found = ca_certificate.read(data.replace(version, version[:-1] + bytes([number])))
        assert words in found.java_oddity
        assert found.oddity == found.java_oddity
    extension = der.encode_sequence(der.encode_oid("2.5.29.15"), der.encode_octet_string(b"\3\2\1\6"))
    two = pki.altered(ROOT, extensions=der.encode(0xA3, der.encode_sequence(extension, extension)))
    assert twice not in two
    assert "an extension twice" in ca_certificate.read(two).java_oddity
    assert read(pki.version_1(ROOT)).java_oddity == ""
    assert "parameters of a curve" in ca_certificate.read(ODD["curve by its parameters"]).java_oddity


@pytest.mark.parametrize(
    ("tag", "content", "expected"),
    [(0x0C, "Zoë".encode(), "Zoë"), (0x1E, "Zoë".encode("utf-16-be"), "Zoë"), (0x1C, "Zoë".encode("utf-32-be"), "Zoë")],
)
def test_common_names(tag: int, content: bytes, expected: str) -> None:
    def part(oid: str, value: bytes) -> bytes:
        return der.encode(0x31, der.encode_sequence(der.encode_oid(oid), value))

    parts = [part("2.5.4.10", der.encode(0x0C, b"O")), part("2.5.4.3", der.encode(tag, content))]
    found = [
        ca_certificate.read(pki.altered(USER, subject=der.encode_sequence(*chosen))) for chosen in (parts, parts[:1])
    ]
    assert [one.common_name for one in found] == [expected, ""]


def test_issuer_and_subject_are_compared_as_clients_do() -> None:
    shouting = pki.distinguished_name("ROOT").public_bytes()
    assert ca_certificate.read(pki.altered(ROOT, subject=shouting)).is_self_issued
    assert not read(USER).is_self_issued
    assert read(USER).canonical_issuer == read(ROOT).canonical_subject
