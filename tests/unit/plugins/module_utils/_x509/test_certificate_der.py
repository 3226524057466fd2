# SPDX-License-Identifier: GPL-3.0-or-later
"""Test which data counts as a certificate on a node."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, der, pem
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
DER = ROOT.certificate.public_bytes(Encoding.DER)
REQUEST = x509.CertificateSigningRequestBuilder().subject_name(ROOT.certificate.subject).sign(ROOT.key, hashes.SHA256())
OTHERS = {
    "nothing": b"",
    "crl": pem.first(pki.revoke(ROOT, [1]), "X509 CRL") or b"",
    "request": REQUEST.public_bytes(Encoding.DER),
    "key": ROOT.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "truncated": DER[:-1],
    "text": b"no certificate",
}


@pytest.mark.parametrize("content", [DER, DER + b"more", ROOT.pem, b"Bag Attributes\n" + ROOT.pem])
def test_the_first_certificate(content: bytes) -> None:
    assert certificate_der.first(content) == DER
    assert certificate_der.is_one(DER)


@pytest.mark.parametrize("name", OTHERS)
def test_other_objects(name: str) -> None:
    assert certificate_der.first(OTHERS[name]) is None
    assert certificate_der.first(pem.encode("CERTIFICATE", OTHERS[name])) is None
    assert not certificate_der.is_one(OTHERS[name])


# --- fields -----------------------------------------------------------------------------------------------------------

USER = pki.issue("User", issuer=ROOT)
RSA = pki.issue("Rsa", key=rsa.generate_private_key(65537, 1024))  # noqa: S505
OLD = pki.version_1(pki.issue("Old"))


def encoded(one: pki.Credential) -> bytes:
    return one.certificate.public_bytes(Encoding.DER)


def with_extensions(*extensions: bytes) -> bytes:
    return pki.altered(USER, extensions=der.encode(der.CONTEXT_3, der.encode_sequence(*extensions)))


def constraints(content: bytes) -> bytes:
    value = der.encode_octet_string(der.encode_sequence(content))
    return der.encode_sequence(der.encode_oid("2.5.29.19"), der.encode(1, b"\xff"), value)


KEY_USAGE = der.encode_sequence(der.encode_oid("2.5.29.15"), der.encode_octet_string(b"\3\2\1\6"))


@pytest.mark.parametrize(
    ("certificate", "is_ca"),
    [
        (DER, True),
        (encoded(USER), False),
        (encoded(pki.issue("Self")), True),  # old roots have no basicConstraints
        (encoded(OLD), True),
        (encoded(pki.version_1(USER, ROOT)), False),
        (with_extensions(constraints(b"\1\1\xff")), True),
        (with_extensions(KEY_USAGE, constraints(b"\1\1\xff\2\1\0")), True),
        (with_extensions(constraints(b"\1\1\0")), False),
        (with_extensions(constraints(b"")), False),
        (with_extensions(constraints(b"\2\1\1")), False),
        (with_extensions(KEY_USAGE), False),
        (with_extensions(b"\5\0"), False),
        (b"", False),
        (OTHERS["crl"], False),
        (OTHERS["request"], False),
    ],
)
def test_certificates_of_cas(certificate: bytes, is_ca: bool) -> None:
    assert certificate_der.is_ca(certificate) is is_ca


@pytest.mark.parametrize("one", [ROOT, OLD, RSA])
def test_fields_are_those_behind_the_version(one: pki.Credential) -> None:
    found = certificate_der.fields(encoded(one))
    assert found[0].integer() == one.certificate.serial_number
    assert found[4].encoded() == one.certificate.subject.public_bytes()
    key = one.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert found[certificate_der.KEY].encoded() == key
    assert certificate_der.is_one(encoded(one))


@pytest.mark.parametrize("name", sorted({*OTHERS} - {"truncated"}))
def test_other_objects_have_no_fields(name: str) -> None:
    with pytest.raises(der.DerError):
        certificate_der.fields(OTHERS[name])
    assert certificate_der.key_algorithm(OTHERS[name]) == b""
    assert certificate_der.key_type(OTHERS[name]) == ""


@pytest.mark.parametrize(("one", "oid"), [(ROOT, "1.2.840.10045.2.1"), (RSA, "1.2.840.113549.1.1.1")])
def test_the_type_of_the_key(one: pki.Credential, oid: str) -> None:
    assert certificate_der.key_type(encoded(one)) == oid
    assert der.read(certificate_der.key_algorithm(encoded(one))).child(0).oid() == oid


@pytest.mark.parametrize("missing", range(6))
def test_a_certificate_has_all_fields(missing: int) -> None:
    body, *signature = der.read(encoded(OLD)).children
    fields = [one.encoded() for number, one in enumerate(body.children) if number != missing]
    parts = [one.encoded() for one in signature]
    for data in (
        der.encode_sequence(der.encode_sequence(*fields), *parts),
        der.encode_sequence(body.encoded(), parts[0]),
    ):
        assert not certificate_der.is_one(data)
        with pytest.raises(der.DerError):
            certificate_der.fields(data)


def test_two_certificates_are_not_one() -> None:
    assert not certificate_der.is_one(DER + DER)
    assert certificate_der.first(DER + DER) == DER


def test_the_old_label_of_pem() -> None:
    assert certificate_der.first(pem.encode("X509 CERTIFICATE", DER)) == DER
    assert certificate_der.first(pem.encode("TRUSTED CERTIFICATE", DER)) is None


@pytest.mark.parametrize(("size", "is_read"), [(1 << 16, True), ((1 << 16) + 1, False)])
def test_the_size_is_limited_to_the_byte(size: int, is_read: bool) -> None:
    def padded(number: int) -> bytes:
        extension = der.encode_sequence(der.encode_oid("1.2.3.4"), der.encode_octet_string(bytes(number)))
        return with_extensions(extension)

    data = padded(60_000 + size - len(padded(60_000)))
    assert len(data) == size
    assert (certificate_der.first(data) == data) is is_read
