# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the reader of CRLs by comparison with cryptography, with published and with malformed CRLs."""

from __future__ import annotations

import datetime
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import crl, der, distinguished_name
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)


def by_cryptography(pem: bytes) -> dict[str, object]:
    found = x509.load_pem_x509_crl(pem)
    validity = {
        name: times.iso(getattr(found, f"{name}_utc", None) or getattr(found, name))
        for name in ("last_update", "next_update")
    }
    return {
        "issuer": distinguished_name.canonical(found.issuer.public_bytes()).hex(),
        "this_update": validity["last_update"],
        "next_update": validity["next_update"],
        "number": found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number,
        "key_id": found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier.hex(),
        "sha256": found.fingerprint(hashes.SHA256()).hex(),
    }


@pytest.mark.parametrize("days", [1, 40, 365 * 40])  # the last is beyond 2050, where times are written otherwise
@pytest.mark.parametrize("number", [0, 127, 128, 1 << 150])
def test_read_as_cryptography_reads(days: int, number: int) -> None:
    pem = pki.revoke(ROOT, [1, 1 << 100], number=number, days=days)
    encoded = x509.load_pem_x509_crl(pem).public_bytes(Encoding.DER)
    expected = by_cryptography(pem)
    for data in (pem, encoded, b"Issued daily\n" + pem, pem.replace(b"\n", b"\r\n"), encoded + b"\n"):
        found = crl.read(data)
        assert crl.facts(found) == expected
        assert (found.pem, found.is_delta) == (pem, False)


def test_many_entries() -> None:
    found = crl.read(pki.revoke(ROOT, list(range(1, 20_000)), number=5))
    assert (found.number, distinguished_name.der_one_line(found.issuer)) == (5, "/DC=org/DC=example/CN=Root")


def test_delta() -> None:
    builder = x509.CertificateRevocationListBuilder().issuer_name(ROOT.certificate.subject)
    builder = builder.last_update(pki.NOW).next_update(pki.NOW + pki.DAY)
    builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
    assert crl.read(builder.sign(ROOT.key, hashes.SHA256()).public_bytes(Encoding.PEM)).is_delta


NAME = ROOT.certificate.subject.public_bytes()


def version_1(*times: bytes, name: bytes = NAME) -> bytes:
    """Return a CRL without version, extensions and entries. With a single time, it lacks nextUpdate."""
    body = der.encode_sequence(der.encode_sequence(), name, *times)
    return der.encode_sequence(body, der.encode_sequence(), der.encode(0x03, b"\0"))


def test_version_1() -> None:
    found = crl.read(version_1(der.encode(0x17, b"991231235959Z")))
    assert found.this_update == datetime.datetime(1999, 12, 31, 23, 59, 59, tzinfo=datetime.timezone.utc)
    assert (found.next_update, found.number, found.key_id) == (None, None, None)
    assert times.parse_iso(times.iso(found.this_update)) == found.this_update


GOOD = pki.revoke(ROOT, [1], number=1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no CRL but empty"),
        (b"<!DOCTYPE html><html>", "is no CRL but a web page"),
        (ROOT.pem, "is no CRL but something else"),
        (GOOD[:-40], "is truncated"),
        (crl.read(GOOD).der[:-40], "is truncated"),
        (GOOD.replace(b"\nM", b"\n*M", 1).replace(b"A", b"", 1), "is damaged"),
        (ROOT.certificate.public_bytes(Encoding.DER), "is damaged"),
        (b"0\0", "is damaged"),
        (b"0\2" + b"0\0", "is damaged"),
        (b"0\x80" + b"\0\0", "is damaged"),
        (version_1(), "is damaged"),
        (version_1(der.encode(0x17, b"991231235959Z"), name=der.encode_sequence(b"1\x020\0")), "is damaged"),
        (
            version_1(der.encode(0x17, b"991231235959Z"), name=NAME.replace(b"\x06\x03\x55\x04\x03", b"\x04\x03abc")),
            "is damaged",
        ),
        (version_1(der.encode(0x17, b"9912312359Z")), "is damaged"),
        (version_1(der.encode(0x17, b"991331235959Z")), "is damaged"),
        (version_1(der.encode(0x17, b"\xff91231235959Z")), "is damaged"),
    ],
)
def test_what_is_no_list(data: bytes, message: str) -> None:
    with pytest.raises(crl.CrlError, match=message):
        crl.read(data)


@pytest.mark.parametrize("year", ["0001", "0999", "2026", "9999"])
def test_times_come_back(year: str) -> None:
    found = crl.read(version_1(der.encode(0x18, f"{year}1231235959Z".encode())))
    assert times.iso(found.this_update) == f"{year}-12-31T23:59:59Z"
    assert times.parse_iso(times.iso(found.this_update)) == found.this_update


def test_time_grows_with_the_size_only() -> None:
    start = time.process_time()
    with pytest.raises(crl.CrlError, match="is truncated"):
        crl.decode(b"-----BEGIN X509 CRL-----\n" * 40_000)
    assert time.process_time() - start < 1


def test_no_byte_makes_it_fail_otherwise() -> None:
    encoded = crl.read(GOOD).der
    for position in range(len(encoded)):
        for value in (0, 0x30, 0x80, 0xFF):
            try:
                crl.read(encoded[:position] + bytes([value]) + encoded[position + 1 :])
            except crl.CrlError:
                continue


# --- fields without end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "key_id", "expected"),
    [
        ((1 << 160) - 1, b"k" * 64, ((1 << 160) - 1, b"k" * 64)),
        (1 << 160, b"k" * 65, (None, None)),
        (7, b"k" * (12 << 20), (7, None)),
    ],
)
def test_fields_are_limited(number: int, key_id: bytes, expected: tuple[int | None, bytes | None]) -> None:
    found = crl.read(pki.extended_list(number, key_id))
    assert (found.number, found.key_id) == expected
    assert len(str(crl.facts(found))) < 1000


def test_no_ca_has_such_a_name() -> None:
    part = der.encode(0x31, der.encode_sequence(der.encode_oid("2.5.4.3"), der.encode(0x0C, b"x" * 5000)))
    with pytest.raises(crl.CrlError, match="issuer of more than"):
        crl.read(version_1(der.encode(0x17, b"991231235959Z"), name=der.encode_sequence(part)))


@pytest.mark.parametrize(("size", "is_read"), [(4096, True), (4097, False)])
def test_the_size_of_a_name_is_limited_to_the_byte(size: int, is_read: bool) -> None:
    part = der.encode(0x31, der.encode_sequence(der.encode_oid("2.5.4.3"), der.encode(0x0C, b"x" * (size - 17))))
    assert len(part) == size
    data = version_1(der.encode(0x17, b"991231235959Z"), name=der.encode_sequence(part))
    if is_read:
        assert crl.read(data).number is None
    else:
        with pytest.raises(crl.CrlError, match="issuer of more than"):
            crl.read(data)


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "text", "expected"),
    [
        (der.UTC_TIME, b"491231235958Z", "2049-12-31T23:59:58Z"),
        (der.UTC_TIME, b"500102030405Z", "1950-01-02T03:04:05Z"),
        (der.UTC_TIME, b"000101000000Z", "2000-01-01T00:00:00Z"),
        (der.GENERALIZED_TIME, b"20500102030405Z", "2050-01-02T03:04:05Z"),
    ],
)
def test_times(tag: int, text: bytes, expected: str) -> None:
    assert times.iso(crl.time_of(der.Element(tag, text))) == expected


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        (der.UTC_TIME, b"20500102030405Z"),
        (der.GENERALIZED_TIME, b"491231235958Z"),
        (der.OCTET_STRING, b"491231235958Z"),
        (der.UTC_TIME, b"491231235958X"),
        (der.UTC_TIME, b"49123123595Z8"),
        (der.UTC_TIME, b"49123123595xZ"),
        (der.UTC_TIME, b"491231235960Z"),
        (der.GENERALIZED_TIME, b"00000102030405Z"),
    ],
)
def test_what_is_no_time(tag: int, text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        crl.time_of(der.Element(tag, text))


def test_a_list_of_version_1_may_say_when_the_next_is_due() -> None:
    both = (der.encode(0x17, b"991231235959Z"), der.encode(0x17, b"000102030405Z"))
    found = crl.read(version_1(*both))
    assert [times.iso(one) for one in (found.this_update, found.next_update) if one] == [
        "1999-12-31T23:59:59Z",
        "2000-01-02T03:04:05Z",
    ]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" \n", "empty"),
        (b"\n <HTML>", "a web page"),
        (b"text <html>", "something else"),
        (b"-----BEGIN X509 CRL-----\n", "is truncated"),
        (b"-----BEGIN X509 CRL-----\nA\n-----END X509 CRL-----\n", "no Base64"),
    ],
)
def test_what_it_is_instead(data: bytes, words: str) -> None:
    with pytest.raises(crl.CrlError, match=words):
        crl.decode(data)
