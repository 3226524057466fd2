# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the message of each archive that does not open."""

from __future__ import annotations

import base64
import re

import cryptography
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem, safe_x509
from ansible_collections.grid.security.tests.support import pkcs12_writer as writer
from ansible_collections.grid.security.tests.support import pki

VERSION = cryptography.__version__
ALICE = pki.issue()
CA = pki.issue("Root CA", authority=True)
KEY = ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
CERTIFICATE = ALICE.certificate.public_bytes(Encoding.DER)
CA_CERTIFICATE = CA.certificate.public_bytes(Encoding.DER)


def characters(text: str) -> bytes:
    return text.encode("utf-16-be") + b"\0\0"


MAC = characters("import")


def usual(**options: object) -> bytes:
    return whole(KEY, CERTIFICATE, **options)


def whole(
    key: bytes,
    *certificates: bytes,
    of_key: bytes = b"import",
    of_certificates: bytes = b"import",
    cipher: str = writer.AES_256,
    **options: object,
) -> bytes:
    """Return an archive with a MAC by the passphrase "import"."""
    bags = [writer.certificate_bag(one) for one in certificates]
    parts = [
        writer.plain(writer.key_bag(key, of_key)),
        writer.encrypted(*bags, passphrase=of_certificates, cipher=cipher),
    ]
    return writer.archive(*parts, **{"mac": MAC, **options})  # type: ignore[arg-type]


def open_archive(mac: bytes | None = MAC) -> bytes:
    """Without encryption."""
    return writer.archive(writer.plain(writer.key_bag(KEY), writer.certificate_bag(CERTIFICATE)), mac=mac)


def key_of(oid: str, parameters: bytes = b"") -> bytes:
    """Return a PrivateKeyInfo of any type."""
    value = der.encode_octet_string(der.encode_octet_string(bytes(32)))
    return der.encode_sequence(der.encode_integer(0), writer.algorithm(oid, parameters), value)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """With the first of these replaced. The lengths around it are kept, so ``new`` is as long as ``old``."""
    assert old in data
    assert len(new) == len(old)
    return data.replace(old, new, 1)


def with_not_after(time: str) -> bytes:
    """Return a CA's certificate with a UTCTime of any form. Its signature is wrong."""
    return with_field(4, validity(time))


def validity(not_after: str) -> bytes:
    start = der.read(CA_CERTIFICATE).child(0).child(4).child(0)
    return der.encode_sequence(start.encoded(), der.encode(0x17, not_after.encode()))


def with_parameters_of_the_signature() -> bytes:
    """Return a CA's certificate with the algorithm ECDSA with SHA-256 and a NULL."""
    return with_field(2, writer.algorithm("1.2.840.10045.4.3.2"))


def with_field(index: int, value: bytes, data: bytes = CA_CERTIFICATE) -> bytes:
    certificate = der.read(data)
    encoded = [one.encoded() for one in certificate.child(0).children]
    encoded[index] = value
    rest = [one.encoded() for one in certificate.children[1:]]
    return der.encode_sequence(der.encode_sequence(*encoded), *rest)


AGAIN = "Fetch the archive again, or export it again."
WRONG = (
    "wrong_passphrase: the import passphrase is wrong, or the archive is damaged. Set passphrase to the passphrase of"
    " its export. If this passphrase is correct, fetch or export the archive again."
)
REQUIRED = "passphrase_required: it needs an import passphrase. Set passphrase to the passphrase of its export."
ONE_PASSPHRASE = "Fetch it again, or export it again with one passphrase."
TWO = "The archive has two passphrases, or it was damaged before its export. Export it again with one passphrase."
OTHER_KEY = "Ask for a credential with an RSA key, or with an EC key on secp256r1 or secp384r1."
OTHER_CURVE = "Ask for a credential with an RSA key, or with a key on secp256r1 or secp384r1."
OTHER_CERTIFICATE = "Ask the CA for another certificate, or export the archive without this one."
CHAIN = "left out a certificate: cryptography"
NAME_IT = (
    "Name the .p12 or .pfx file from the CA or the browser; for a PEM certificate, name its key in privatekey_src."
)
CAMELLIA_GCM, SEED = "1.2.392.200011.61.1.1.1.99", "1.2.410.200004.1.4"
EC, GOST = "1.2.840.10045.2.1", "1.2.643.7.1.1.1.1"
ROOT = "/DC=org/DC=example/CN=Root CA"

ARCHIVES: dict[str, tuple[bytes, str | None, str]] = {
    # The passphrase
    "wrong passphrase": (usual(), "wrong", WRONG),
    "no passphrase": (usual(), None, REQUIRED),
    "wrong passphrase, not encrypted": (open_archive(), "wrong", WRONG),
    "no passphrase, not encrypted": (
        open_archive(),
        None,
        "passphrase_required: it needs an import passphrase, or it is damaged. Set passphrase to the passphrase of its"
        " export, or fetch it again.",
    ),
    "no MAC, wrong passphrase": (usual(mac=None), "wrong", WRONG),
    "no MAC, no passphrase": (usual(mac=None), None, REQUIRED),
    "another passphrase of the key": (
        usual(of_key=b"other"),
        "import",
        "two_passphrases: the passphrase fits its integrity check, but does not open its private key. " + TWO,
    ),
    "another passphrase of the encryption": (
        usual(of_key=b"other", of_certificates=b"other"),
        "import",
        "two_passphrases: the passphrase fits its integrity check, but does not open its private key and its"
        " certificates. " + TWO,
    ),
    "no MAC, another passphrase of the key": (
        usual(of_key=b"other", mac=None),
        "import",
        "two_passphrases: the passphrase opens its certificates, but does not open its private key. " + TWO,
    ),
    "another passphrase of the MAC": (
        usual(mac=characters("other")),
        "import",
        "malformed: the passphrase opens its private key and its certificates, but does not fit its integrity check."
        " The archive is damaged, or has two passphrases. " + ONE_PASSPHRASE,
    ),
    # Damage
    "damaged certificates, as the MAC tells": (
        replaced(usual(), b"\x80\x82", b"\x80\x81"),
        "import",
        "malformed: its structure is damaged. " + AGAIN,
    ),
    "contents are no certificates, behind a MAC that fits": (
        writer.archive(writer.encrypted(der.encode_integer(1), passphrase=b"import"), mac=MAC),
        "import",
        "malformed: the passphrase opens its certificates, but their contents are damaged. Export it again.",
    ),
    "damaged key, behind a MAC that fits": (
        whole(key_of("1.2.840.113549.1.1.1", der.ENCODED_NULL), CERTIFICATE),
        "import",
        "malformed: its private key (RSA) is damaged. Export it again, or ask for a new credential.",
    ),
    "damaged name of the content": (
        replaced(usual(), der.encode_oid(writer.DATA), der.encode_oid("1.2.840.113549.1.7.9")),
        "import",
        "malformed: it is protected in an unknown way. Export it again, with a passphrase.",
    ),
    "signed": (
        replaced(usual(), der.encode_oid(writer.DATA), der.encode_oid("1.2.840.113549.1.7.2")),
        "import",
        "malformed: it is protected by a signature. Export it again, with a passphrase.",
    ),
    "damaged MAC": (
        der.encode_sequence(der.read(usual(mac=None)).content, der.encode_sequence(der.encode_integer(1))),
        "import",
        "malformed: its integrity check is damaged. Fetch the archive again.",
    ),
    "nothing in it": (
        writer.archive(writer.plain(), mac=MAC, form="2.16.840.1.101.3.4.2.8"),
        "import",
        "no_private_key: it holds neither a private key nor a certificate. Export the credential again, together with"
        " its private key.",
    ),
    # Keys
    "ML-KEM": (
        whole(key_of("2.16.840.1.101.3.4.4.2"), CERTIFICATE),
        "import",
        f"unsupported_algorithm: its private key is of the type ML-KEM-768, which cryptography {VERSION} does not read"
        f" from a PKCS#12 archive. {OTHER_KEY}",
    ),
    "GOST": (
        whole(key_of(GOST), CERTIFICATE),
        "import",
        "unsupported_algorithm: its private key is of the type GOST R 34.10-2012 (256 bits), which cryptography"
        f" {VERSION} does not read from a PKCS#12 archive. {OTHER_KEY}",
    ),
    "key of an unknown type": (
        whole(key_of("1.3.9999.1"), CERTIFICATE),
        "import",
        f"unsupported_algorithm: its private key is of the type 1.3.9999.1, which cryptography {VERSION} does not read"
        f" from a PKCS#12 archive. {OTHER_KEY}",
    ),
    "key on a short curve": (
        whole(key_of(EC, der.encode_oid("1.3.132.0.6")), CERTIFICATE),
        "import",
        "unsupported_algorithm: its private key is on the elliptic curve secp112r1, which cryptography"
        f" {VERSION} does not read. {OTHER_CURVE}",
    ),
    "key on a curve without a name": (
        whole(key_of(EC, der.encode_sequence(der.encode_integer(1))), CERTIFICATE),
        "import",
        "unsupported_algorithm: its private key is on an elliptic curve without a name, which"
        f" cryptography {VERSION} does not read. {OTHER_CURVE}",
    ),
    "EC key that is damaged": (
        whole(key_of(EC, der.encode_oid("1.2.840.10045.3.1.7")), CERTIFICATE),
        "import",
        "malformed: its private key (EC) is damaged. Export it again, or ask for a new credential.",
    ),
    # Certificates
    "month 13": (
        whole(KEY, with_field(4, validity("261319050000Z"), CERTIFICATE)),
        "import",
        f"malformed: cryptography {VERSION} does not read the certificate of /DC=org/DC=example/CN=Alice: its notAfter"
        f" is 261319050000Z, and there is no such time. {OTHER_CERTIFICATE}",
    ),
    # Ciphers
    "cipher of the certificates": (
        usual(cipher=SEED),
        "import",
        f"unsupported_algorithm: its certificates are encrypted with SEED-CBC, and cryptography {VERSION}"
        " does not open the archive. Export it again with AES-256.",
    ),
    "cipher of the key": (
        writer.archive(writer.plain(writer.key_bag(KEY, b"import", "2.16.840.1.101.3.4.1.46")), mac=MAC),
        "import",
        f"unsupported_algorithm: its private key is encrypted with AES-256-GCM, and cryptography {VERSION}"
        " does not open the archive. Export it again with AES-256.",
    ),
    "unknown cipher": (
        usual(cipher=CAMELLIA_GCM),
        "import",
        f"unsupported_algorithm: its certificates are encrypted with {CAMELLIA_GCM}, and cryptography {VERSION}"
        " does not open the archive. Export it again with AES-256.",
    ),
    "unknown cipher, wrong passphrase": (usual(cipher=CAMELLIA_GCM), "wrong", WRONG),
    # The integrity check
    "MAC of an unknown hash": (
        replaced(usual(), der.encode_oid(writer.SHA_256), der.encode_oid("2.16.840.1.101.3.4.2.99")),
        "import",
        "unsupported_algorithm: its integrity check cannot be used: 2.16.840.1.101.3.4.2.99 is not supported here."
        " Export it again.",
    ),
    "PBMAC1 without a length": (
        usual(mac=b"import", form=writer.Pbmac1(None)),
        "import",
        "unsupported_algorithm: its integrity check cannot be used: PBMAC1 without the length of its key, which RFC"
        " 9579 forbids. Export it again.",
    ),
    "PBMAC1 with a short key": (
        usual(mac=b"import", form=writer.Pbmac1(19)),
        "import",
        "unsupported_algorithm: its integrity check cannot be used: PBMAC1 with a key of 19 bytes, and RFC 9579 asks"
        " for 20 or more. Export it again.",
    ),
    "PBMAC1 with scrypt": (
        usual(mac=b"import", form=writer.Pbmac1(derivation="1.3.6.1.4.1.11591.4.11")),
        "import",
        "unsupported_algorithm: its integrity check cannot be used: scrypt is not supported here. Export it again.",
    ),
    "PBMAC1 of no iterations": (
        usual(mac=b"import", form=writer.Pbmac1(iterations=0)),
        "import",
        "malformed: its integrity check is damaged. Fetch the archive again.",
    ),
    "PBMAC1 with a salt that is a number": (
        replaced(
            usual(mac=b"import", form=writer.Pbmac1()), b"\4\x08saltsalt\2\2\3\xe8\2", b"\2\x08saltsalt\2\2\3\xe8\2"
        ),
        "import",
        "malformed: its integrity check is damaged. Fetch the archive again.",
    ),
    "PBMAC1 with an enormous key": (
        usual(mac=b"import", form=writer.Pbmac1((1 << 65) - 1, used=32)),
        "import",
        "malformed: it asks for a key of 36893488147419103231 bytes, which no program uses. Export it again.",
    ),
    # No archive, or a part of one
    "truncated": (
        usual()[:-1],
        "import",
        "truncated: it is truncated: the file is shorter than its header says. Fetch the archive again.",
    ),
    "begun only": (
        usual()[:30],
        "import",
        "truncated: it is truncated: the file is shorter than its header says. Fetch the archive again.",
    ),
    "indefinite length and truncated": (
        b"\x30\x80" + der.read(usual()).content[:-3],
        "import",
        "truncated: it is truncated: the file is shorter than its header says. Fetch the archive again.",
    ),
    "a length inside is damaged": (
        usual()[:7] + b"\x30\x82\xff\xff" + usual()[11:],
        "import",
        "malformed: its structure is damaged. " + AGAIN,
    ),
    "version 1": (
        usual(version=1),
        "import",
        "malformed: it is a PKCS#12 archive of version 1, and only version 3 is in use. Export it again.",
    ),
}

OTHER_FILES: dict[str, tuple[bytes, str]] = {
    "PEM certificate": (ALICE.pem, "a PEM file"),
    "PEM private key": (pem.encode("ENCRYPTED PRIVATE KEY", b"1"), "a PEM private key"),
    "PEM request": (pem.encode("CERTIFICATE REQUEST", b"1"), "a PEM certificate request"),
    "PEM PKCS#7": (pem.encode("PKCS7", b"1"), "a PEM file of certificates (PKCS#7)"),
    "PEM PKCS#12": (
        pem.encode("PKCS12", usual()),
        "a PKCS#12 archive in PEM form. Convert it to binary form by base64 -d, without its first and last line",
    ),
    "Base64": (base64.encodebytes(usual()), "the Base64 form of one. Convert it to binary form by base64 -d"),
    "DER certificate": (CERTIFICATE, "a DER certificate"),
    "truncated DER certificate": (CERTIFICATE[:-9], "a truncated DER file"),
    "DER private key": (KEY, "a DER private key"),
    "PKCS#7": (writer.content_info(der.encode_sequence(), "1.2.840.113549.1.7.2"), "a file of certificates (PKCS#7)"),
    "other DER": (der.encode_sequence(der.encode_integer(3)), "another DER file"),
    "JKS": (
        b"\xfe\xed\xfe\xed\0\0\0\2",
        "a Java keystore (JKS). Convert it by keytool -importkeystore -deststoretype PKCS12",
    ),
    "web page": (b"\n<!DOCTYPE html>", "a web page"),
    "zip": (b"PK\x03\x04\0\0", "a ZIP archive. Unpack it"),
    "vault": (b"$ANSIBLE_VAULT;1.1;AES256\n", "a file encrypted by ansible-vault. Give its vault password to Ansible"),
    "letter": ("Grüße, your certificate is attached".encode(), "a text file"),
    "noise": (bytes(range(1, 40)), "something unknown"),
    "text that begins like DER": (b"0123456789", "a text file"),
}


# A certificate of the chain, and what is said of it. Old versions of cryptography read some of them, and the oldest
# does not say which field it does not understand.
FIELD = "one of its fields" if VERSION.startswith("36.") else "its subject"
LEFT_OUT: dict[str, tuple[bytes, str]] = {
    "name that is no UTF-8": (
        CA_CERTIFICATE.replace(b"Root CA", b"Roo\xff CA"),
        f"the certificate of /DC=org/DC=example/CN=Roo\\xFF CA: it does not understand {FIELD}",
    ),
    "day that does not exist": (
        with_not_after("270230000000Z"),
        f"the certificate of {ROOT}: its notAfter is 270230000000Z, and there is no such time",
    ),
    "damaged": (der.encode_sequence(der.encode_integer(1)), "one of its certificates: it is damaged"),
    "time without seconds": (
        with_not_after("2602190500Z"),
        f"the certificate of {ROOT}: its notAfter is '2602190500Z', and the form of a UTCTime is YYMMDDhhmmssZ",
    ),
    "signature with parameters": (
        with_parameters_of_the_signature(),
        f"the certificate of {ROOT}: it does not understand the algorithm of its signature, or the parameters of that",
    ),
    "month 13": (
        with_not_after("261319050000Z"),
        f"the certificate of {ROOT}: its notAfter is 261319050000Z, and there is no such time",
    ),
}


def is_readable(certificate: bytes) -> bool:
    try:
        safe_x509.load(certificate)
        return True
    except safe_x509.CertificateError:
        return False


def said_of(data: bytes, passphrase: str | None) -> str:
    with pytest.raises(GridSecurityError) as caught:
        pkcs12.load(data, passphrase, name="alice.p12")
    message = re.sub("^alice.p12: ", "", caught.value.message)
    return f"{caught.value.error_code}: {message}"


@pytest.mark.parametrize("name", ARCHIVES)
def test_message(name: str) -> None:
    data, passphrase, message = ARCHIVES[name]
    assert said_of(data, passphrase) == message


@pytest.mark.parametrize("name", LEFT_OUT)
@pytest.mark.parametrize("mac", [MAC, None])
def test_a_certificate_of_the_chain_that_cryptography_does_not_read_costs_only_itself(
    name: str, mac: bytes | None
) -> None:
    odd, said = LEFT_OUT[name]
    if is_readable(odd):
        pytest.skip("this version of cryptography reads it")
    pair = pkcs12.load(whole(KEY, odd, CERTIFICATE, mac=mac), "import", name="alice.p12")
    assert (pair.certificate.public_bytes(Encoding.DER), pair.others) == (CERTIFICATE, ())
    assert pair.warnings == (f"{CHAIN} {VERSION} does not read {said}. {OTHER_CERTIFICATE}",)


@pytest.mark.parametrize("passphrase", ["wrong", None])
def test_a_wrong_passphrase_leaves_nothing_out(passphrase: str | None) -> None:
    archive = whole(KEY, LEFT_OUT["damaged"][0], CERTIFICATE)
    assert said_of(archive, passphrase) == (WRONG if passphrase else REQUIRED)


def test_warnings_are_printable_and_few() -> None:
    name = der.read(CA_CERTIFICATE).child(0).child(5)
    hostile = der.encode(name.tag, name.content.replace(b"Root CA", b"\x1b[31mCA"))
    odd = [with_field(4, validity(f"26{month}19050000Z"), with_field(5, hostile)) for month in range(13, 30)]
    warnings = pkcs12.load(whole(KEY, *odd, CERTIFICATE), "import", name="alice.p12").warnings
    assert len(warnings) == 11
    assert "\x1b" not in "".join(warnings)
    assert warnings[-1] == "left out 7 more certificates that cannot be read here."


def test_a_manipulated_archive_leaves_nothing_out() -> None:
    """The MAC does not fit, so nothing in it is believed."""
    archive = whole(KEY, LEFT_OUT["damaged"][0], CERTIFICATE, mac=characters("other"))
    assert said_of(archive, "import").startswith("malformed: the passphrase opens its private key and its certificates")


@pytest.mark.parametrize("name", OTHER_FILES)
def test_what_it_is_instead(name: str) -> None:
    data, kind = OTHER_FILES[name]
    assert said_of(data, "import") == f"not_pkcs12: it is no PKCS#12 archive but {kind}. {NAME_IT}"


def test_the_usual_archive_opens() -> None:
    assert pkcs12.load(usual(), "import", name="alice.p12").certificate == x509.load_der_x509_certificate(CERTIFICATE)
