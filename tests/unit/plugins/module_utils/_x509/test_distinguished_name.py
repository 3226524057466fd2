# SPDX-License-Identifier: GPL-3.0-or-later
"""Test OpenSSL one-line DNs and hashes of names, by comparison with openssl."""

from __future__ import annotations

import ctypes
import ctypes.util
import shutil
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from ansible_collections.grid.security.plugins.module_utils._x509 import (
    attribute_names,
    der,
    distinguished_name,
    host_names,
    one_line_dn,
)
from ansible_collections.grid.security.tests.support import pki

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is the oracle, and it is missing")


def ask_openssl(name: x509.Name, *options: str) -> list[str]:
    """Return the lines that openssl prints of a certificate for ``name``."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(pki.NOW).not_valid_after(pki.NOW + pki.DAY)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    command = ["openssl", "x509", "-noout", *options]
    return subprocess.run(command, input=pem, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()


def name_of(*pairs: tuple[str, int, bytes]) -> bytes:
    """Return the DER of a name. :param pairs: OID, tag and content of each value."""
    rdns = [der.encode_sequence(der.encode_oid(oid), der.encode(tag, content)) for oid, tag, content in pairs]
    return der.encode_sequence(*(der.encode(0x31, rdn) for rdn in rdns))


class LibCrypto:
    """The X509_NAME_oneline that Globus and VOMS call."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("crypto"))
        for function in ("d2i_X509_NAME", "X509_NAME_oneline"):
            getattr(self._library, function).restype = ctypes.c_void_p
        self._library.OpenSSL_version_num.restype = ctypes.c_ulong
        self.is_version_1 = self._library.OpenSSL_version_num() < 0x30000000

    def oneline(self, encoded: bytes) -> str:
        start = ctypes.c_char_p(encoded)
        name = self._library.d2i_X509_NAME(None, ctypes.byref(start), ctypes.c_long(len(encoded)))
        assert name, f"{encoded.hex()} is no name"
        printed = ctypes.create_string_buffer(4096)
        assert self._library.X509_NAME_oneline(ctypes.c_void_p(name), printed, 4096)
        self._library.X509_NAME_free(ctypes.c_void_p(name))
        return printed.value.decode()

    def spelled(self, dn: str) -> str:
        """Return a DN as this version of OpenSSL prints it."""
        return dn if self.is_version_1 else one_line_dn.spellings(dn)[-1]


@pytest.fixture(name="libcrypto", scope="module")
def _libcrypto() -> LibCrypto:
    if ctypes.util.find_library("crypto") is None:
        pytest.skip("libcrypto is the oracle, and it is missing")
    return LibCrypto()


NEWER = {"1.2.643.100.5", "1.2.643.100.113"}  # names that OpenSSL 1.1 does not know
NEIGHBOURS = [
    *(f"{arc}.{number}" for arc in ("2.5.4", "0.9.2342.19200300.100.1", "1.2.643.100") for number in range(1, 130)),
    *(f"1.3.6.1.4.1.311.60.2.1.{number}" for number in range(1, 6)),
    *(f"1.2.840.113549.1.9.{number}" for number in range(1, 52)),
]


@pytest.mark.parametrize("oid", sorted({*attribute_names.SHORT_NAMES, *NEIGHBOURS, "1.2.3.4"}))
def test_names_of_attributes_are_those_of_openssl(libcrypto: LibCrypto, oid: str) -> None:
    if libcrypto.is_version_1 and oid in NEWER:
        pytest.skip("OpenSSL 3 names it")
    encoded = name_of((oid, 0x0C, b"value"))
    assert distinguished_name.der_one_line(encoded) == libcrypto.oneline(encoded)


CODECS = {0x0C: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}


@pytest.mark.parametrize("tag", [0x03, 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E], ids=hex)
@pytest.mark.parametrize("text", ["plain :)", "with/slash+plus", "Jos\xe9 X", "\\ \t\x7f", "//a/b=+"])
def test_values_are_printed_as_openssl_prints_them(libcrypto: LibCrypto, tag: int, text: str) -> None:
    content = (b"\0" if tag == 0x03 else b"") + text.encode(CODECS.get(tag, "latin-1"))
    encoded = name_of(("2.5.4.6", 0x13, b"CH"), ("2.5.4.3", tag, content))
    assert libcrypto.spelled(distinguished_name.der_one_line(encoded)) == libcrypto.oneline(encoded)


def test_parts_of_several_attributes(libcrypto: LibCrypto) -> None:
    pairs = [der.encode_sequence(der.encode_oid(oid), der.encode(0x0C, b"a+b")) for oid in ("2.5.4.3", "2.5.4.5")]
    encoded = der.encode_sequence(der.encode(0x31, b"".join(pairs)))
    assert (
        distinguished_name.der_one_line(encoded)
        == one_line_dn.plain(libcrypto.oneline(encoded))
        == "/CN=a+b/serialNumber=a+b"
    )


@pytest.mark.parametrize("form", ["UTF8String", "BMPString", "UniversalString"])
def test_names_of_cryptography_are_printed_as_their_der(form: str) -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Zoë", _type=_ASN1Type[form])])
    assert distinguished_name.one_line(name) == distinguished_name.der_one_line(name.public_bytes())


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
    assert sorted(distinguished_name.der_one_line(encoded).split("/")) == sorted(
        distinguished_name.one_line(name).split("/")
    )
    assert list(distinguished_name.der_hashes(encoded)) == ask_openssl(name, "-subject_hash", "-subject_hash_old")


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
        ("SE.example.org.", "se.example.org", True),
        ("*.Example.org.", "se.example.ORG", True),
        ("*", "se", False),
        ("*se.example.org", "se.example.org", False),
    ],
)
def test_names_that_cover_a_host(pattern: str, host: str, expected: bool) -> None:
    assert host_names.covers(pattern, host) is expected


def test_all_hosts_of_a_certificate() -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("a.example.org"), x509.DNSName("b.example.org")])
    certificate = pki.issue("c.example.org", extensions=(names,)).certificate
    assert host_names.dns_names(certificate) == ["a.example.org", "b.example.org"]
    only_address = x509.SubjectAlternativeName([x509.RFC822Name("a@example.org")])
    assert host_names.dns_names(pki.issue("c.example.org", extensions=(only_address,)).certificate) == ["c.example.org"]


@pytest.mark.parametrize("tag", [0x0C, 0x13, 0x14, 0x16, 0x1A])
def test_names_that_clients_take_for_the_same(tag: int) -> None:
    one = distinguished_name.canonical(name_of(("2.5.4.3", tag, b"  A  B ")))
    assert one == distinguished_name.canonical(name_of(("2.5.4.3", 0x0C, b"a b")))
    assert one != distinguished_name.canonical(name_of(("2.5.4.3", 0x0C, b"ab")))
    assert one != distinguished_name.canonical(name_of(("2.5.4.10", 0x0C, b"a b")))


def test_values_of_other_types_are_compared_by_their_bytes() -> None:
    values = [distinguished_name.canonical(name_of(("2.5.4.45", 0x03, value))) for value in (b"\0A", b"\0a")]
    assert values[0] != values[1]


@pytest.mark.parametrize(
    "encoded",
    [
        der.encode_sequence(der.encode(0x31, der.encode_sequence(der.encode_oid("2.5.4.3")))),
        der.encode_sequence(der.encode(0x31, der.encode_sequence(der.ENCODED_NULL, der.encode(0x0C, b"x")))),
        der.encode_sequence(der.encode(0x31, der.encode_sequence(der.encode(6, b"\x81"), der.encode(0x0C, b"x")))),
        name_of(("2.5.4.3", 0x0C, b"\xff")),
        name_of(("2.5.4.3", 0x1E, b"abc")),
    ],
)
def test_what_is_no_name(encoded: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        distinguished_name.canonical(encoded)
