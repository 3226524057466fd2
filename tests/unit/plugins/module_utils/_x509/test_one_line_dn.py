# SPDX-License-Identifier: GPL-3.0-or-later
"""Test DNs in the forms that sites write, by comparison with openssl."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ansible_collections.grid.security.plugins.module_utils._x509 import (
    attribute_names,
    der,
    distinguished_name,
    one_line_dn,
)
from ansible_collections.grid.security.tests.support import pki

NEWER = "utf8,sep_comma_plus_space"  # the default of OpenSSL 3.2 and later
OPTIONS = ["oneline", NEWER, "RFC2253", "compat"]  # the first is the default of OpenSSL 1.1 to 3.1
AMBIGUOUS = {"a+b", "a, b", 'the "quoted"', r"a\b"}  # values that OpenSSL 3.2 prints without escapes


def printed_by_openssl(name: x509.Name, nameopt: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(pki.NOW).not_valid_after(pki.NOW + pki.DAY)
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    command = ["openssl", "x509", "-noout", "-subject", "-nameopt", nameopt]
    printed = subprocess.run(command, input=pem, stdout=subprocess.PIPE, check=True).stdout.decode()
    return printed.split("=", 1)[1].strip()


@pytest.mark.parametrize("nameopt", OPTIONS)
@pytest.mark.parametrize(
    "value",
    [
        "Alice",
        "host/voms.example.org",
        "a+b",
        "a, b",
        'the "quoted"',
        r"a\b",
        "Zoë Müller",
        "a=b",
        "# 1",
        "l'Étoile; <x>",
    ],
)
def test_forms_of_openssl_are_read(nameopt: str, value: str) -> None:
    kinds = [NameOID.DOMAIN_COMPONENT, NameOID.POSTAL_CODE, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME]
    name = x509.Name([x509.NameAttribute(kind, value if kind == NameOID.COMMON_NAME else "org") for kind in kinds])
    printed = printed_by_openssl(name, nameopt)
    if nameopt == NEWER and value in AMBIGUOUS:
        with pytest.raises(one_line_dn.DnError):
            one_line_dn.read(printed)
    else:
        assert one_line_dn.read(printed) == distinguished_name.one_line(name)


@pytest.mark.parametrize("value", ["Alice", "host/voms.example.org", "a, b", 'the "quoted"', "Zoë", "a+b"])
def test_rfc_4514_as_cryptography_prints_it_is_read(value: str) -> None:
    kinds = [NameOID.COUNTRY_NAME, NameOID.BUSINESS_CATEGORY, NameOID.COMMON_NAME, NameOID.EMAIL_ADDRESS]
    pairs = zip(kinds, ["CH", "x", value, "a@example.org"])
    name = x509.Name([x509.NameAttribute(kind, text) for kind, text in pairs])
    assert one_line_dn.read(name.rfc4514_string()) == distinguished_name.one_line(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/DC=org/CN=Alice", "/DC=org/CN=Alice"),
        (r"/DC=org/CN=host\/se.example.org", "/DC=org/CN=host/se.example.org"),
        (r"/DC=org/CN=a+UID=b\+c", "/DC=org/CN=a/UID=b+c"),
        ("/DC=org/CN=a+b", "/DC=org/CN=a+b"),
        (r"/CN=Jos\xC3\xA9", r"/CN=Jos\xC3\xA9"),
        ("emailAddress=a@b,CN=Alice,O=CERN,C=CH", "/C=CH/O=CERN/CN=Alice/emailAddress=a@b"),
        ("C=CH, O=CERN, CN=Alice", "/C=CH/O=CERN/CN=Alice"),
        ("CN=Alice, O=CERN, C=CH", "/C=CH/O=CERN/CN=Alice"),
        ("O = Grid, CN = Alice", "/O=Grid/CN=Alice"),
        (r"CN=voms, O=Example\, Inc., DC=org", "/DC=org/O=Example, Inc./CN=voms"),
        ("O = Grid, CN = Alice + UID = a", "/O=Grid/CN=Alice/UID=a"),
        ("CN=Alice", "/CN=Alice"),
        ("CN=\ud83d\udc80,C=CH", r"/C=CH/CN=\xED\xA0\xBD\xED\xB2\x80"),
        (
            "EMAILADDRESS=a@b, OID.2.5.4.17=1211, 1.2.3=x, dc=example, dc=org",
            "/DC=org/DC=example/1.2.3=x/postalCode=1211/emailAddress=a@b",
        ),
        ("DC=org, DC=example, CN=*", "/DC=org/DC=example/CN=*"),
    ],
)
def test_forms_that_sites_write(text: str, expected: str) -> None:
    assert one_line_dn.read(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Alice", "is no DN in a form that is understood"),
        ("", "is no DN"),
        ("CN=Alice,", "is no DN"),
        ('CN="Alice', "is no DN"),
        ("DC=org/DC=example/CN=Alice", "does not start with a slash"),
        ("O=Grid,CN=Alice", "does not show whether its most general part stands first or last"),
        ("CN=Alice,O=Grid", "does not show"),
        ("C=CH,O=CERN,CN=Alice", "does not show"),
        ("DC=org,DC=example", "does not show"),
        ("UID=a+CN=Alice,DC=org", "has a plus sign between two attributes"),
        ("CN=#0c0141,C=CH", "in hexadecimal digits"),
        ("XY=Alice,C=CH", "has XY, which is no attribute that OpenSSL knows"),
        ("CN=" + "a" * 5000, "is no DN"),
    ],
)
def test_what_has_no_or_two_meanings_is_refused(text: str, message: str) -> None:
    with pytest.raises(one_line_dn.DnError, match=message) as caught:
        one_line_dn.read(text)
    assert "/DC=org/DC=example/CN=Alice" in str(caught.value)


@pytest.mark.parametrize(
    ("dn", "expected"),
    [
        ("/DC=org/CN=Alice", ["/DC=org/CN=Alice"]),
        ("/DC=org/CN=host/a", ["/DC=org/CN=host/a", r"/DC=org/CN=host\/a"]),
        ("/CN=http://a//emailAddress=b", ["/CN=http://a//emailAddress=b", r"/CN=http:\/\/a\//emailAddress=b"]),
        ("/CN=a+b", ["/CN=a+b", r"/CN=a\+b"]),
        ("/DC=org/*", ["/DC=org/*"]),
        ("/1.2.3=a/E=b/USERID=c", ["/1.2.3=a/E=b/USERID=c"]),
    ],
)
def test_spellings_of_openssl_1_and_3(dn: str, expected: list[str]) -> None:
    assert one_line_dn.spellings(dn) == expected
    assert {one_line_dn.plain(one) for one in expected} == {dn}


def test_names_are_compared_as_globus_compares_them() -> None:
    assert one_line_dn.is_same("/O=A/Email=b/USERID=c", "/o=a/E=B/UID=C")
    assert one_line_dn.is_same(r"/CN=host\/a", "/CN=host/a")
    assert not one_line_dn.is_same("/CN=É", "/CN=é")


# --- names of attributes ----------------------------------------------------------------------------------------------

COMMON = {
    "C": "2.5.4.6",
    "CN": "2.5.4.3",
    "DC": "0.9.2342.19200300.100.1.25",
    "GN": "2.5.4.42",
    "L": "2.5.4.7",
    "O": "2.5.4.10",
    "OU": "2.5.4.11",
    "SN": "2.5.4.4",
    "ST": "2.5.4.8",
    "UID": "0.9.2342.19200300.100.1.1",
    "dnQualifier": "2.5.4.46",
    "emailAddress": "1.2.840.113549.1.9.1",
    "postalCode": "2.5.4.17",
    "serialNumber": "2.5.4.5",
    "street": "2.5.4.9",
    "title": "2.5.4.12",
}


@pytest.mark.parametrize("name", COMMON)
def test_common_attributes(name: str) -> None:
    pair = der.encode_sequence(der.encode_oid(COMMON[name]), der.encode(0x0C, b"x"))
    assert distinguished_name.der_one_line(der.encode_sequence(der.encode(0x31, pair))) == f"/{name}=x"
    for written in (name, name.lower(), name.upper(), COMMON[name], f"OID.{COMMON[name]}"):
        assert one_line_dn.read(f"{written} = x") == f"/{name}=x"


@pytest.mark.parametrize("name", sorted(set(attribute_names.SHORT_NAMES.values()) - {"uid"}))
def test_every_short_name_is_read_and_separates_values(name: str) -> None:
    assert one_line_dn.read(f"C = CH, {name} = x") == f"/C=CH/{name}=x"
    assert one_line_dn.spellings(f"/C=CH/{name}=x") == [f"/C=CH/{name}=x"]
    assert one_line_dn.plain(f"/C=CH+{name}=x") == f"/C=CH/{name}=x"


@pytest.mark.parametrize(
    ("alias", "name"),
    [("E", "emailAddress"), ("Email", "emailAddress"), ("USERID", "UID"), ("surname", "SN"), ("givenName", "GN")]
    + [("S", "ST"), ("uid", "UID")],
)
def test_names_of_other_programs(alias: str, name: str) -> None:
    assert one_line_dn.read(f"{alias} = x, C = CH") == f"/{name}=x/C=CH"


@pytest.mark.parametrize("name", ["XY", "1x", "O U"])
def test_a_plus_and_a_slash_before_what_is_no_attribute_belong_to_the_value(name: str) -> None:
    assert one_line_dn.plain(f"/CN=a+{name}=x") == f"/CN=a+{name}=x"
    assert one_line_dn.spellings(f"/CN=a/{name}=x")[1] == rf"/CN=a\/{name}=x"


@pytest.mark.parametrize(("size", "is_read"), [(4096, True), (4097, False)])
def test_the_length_is_limited(size: int, is_read: bool) -> None:
    text = "CN=" + "a" * (size - 3)
    if is_read:
        assert one_line_dn.read(text) == f"/{text}"
    else:
        with pytest.raises(one_line_dn.DnError) as caught:
            one_line_dn.read(text)
        assert len(str(caught.value)) < 4500


@pytest.mark.parametrize(
    ("value", "printed"),
    [(b" ", " "), (b"~", "~"), (b"\x1f", r"\x1F"), (b"\x7f", r"\x7F"), (b"\xc3\xa9", r"\xC3\xA9"), (b"\0", r"\x00")],
)
def test_bytes_that_are_not_printable(value: bytes, printed: str) -> None:
    assert one_line_dn.printable(value) == printed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CN=a, DC=b", "/DC=b/CN=a"),
        ("DC=b, CN=a", "/DC=b/CN=a"),
        ("CN = a, DC = b", "/CN=a/DC=b"),  # OpenSSL keeps the order of the name
        ("CN=a,DC=b", "/DC=b/CN=a"),
        ("C=b, DC=c, CN=a", "/C=b/DC=c/CN=a"),
        ('C = b, CN = "x, y"', "/C=b/CN=x, y"),
    ],
)
def test_the_order_of_each_form(text: str, expected: str) -> None:
    assert one_line_dn.read(text) == expected


@pytest.mark.parametrize(
    "text", ["DC=b,CN=a", "C=b, CN=a, DC=c", r"C=b, CN=a\, c", 'C=b, CN="a"', "CN=a, O = b", "CN=a+UID=b, C=c"]
)
def test_orders_that_nobody_can_tell(text: str) -> None:
    with pytest.raises(one_line_dn.DnError):
        one_line_dn.read(text)
