# SPDX-License-Identifier: GPL-3.0-or-later
"""Provide a small CA for tests: credentials with any validity, as archives."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cryptography
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from ansible_collections.grid.security.plugins.module_utils._x509 import ca_certificate, der

CRYPTOGRAPHY = int(cryptography.__version__.split(".", maxsplit=1)[0])
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
# Functions that generate a private key of each type.
KEYS: dict[str, Callable[[], Any]] = {
    "ec": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Credential:
    """Hold a private key and its certificate."""

    key: Any
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """Return the certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def facts(self) -> ca_certificate.CaCertificate:
        """Return the facts about the certificate that trust anchors need."""
        return ca_certificate.read(self.certificate.public_bytes(Encoding.DER))

    def archive(self, passphrase: str = "import", iterations: int | None = None) -> bytes:
        """Return a PKCS#12 archive, without encryption if the passphrase is empty.

        :param iterations: of its encryption, by PBES2; the default is cryptography's, as is all before cryptography 38.
        """
        encryption: Any = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        if iterations is not None and CRYPTOGRAPHY >= 38:
            builder: Any = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(iterations)
            builder = builder.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).hmac_hash(hashes.SHA256())
            encryption = builder.build(passphrase.encode())
        others = list(self.others) or None
        return pkcs12.serialize_key_and_certificates(b"test", self.key, self.certificate, others, encryption)


def bundle(*parts: tuple[Credential, str | None], passphrase: str = "import") -> bytes:
    """Make an archive with several private keys, as Firefox and Java do.

    :param parts: credentials with their friendly names. A credential may lack its key or its certificate.
    """
    infos = []
    for one, name in parts:
        form: Any = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        named = name.encode() if name is not None else None
        single = pkcs12.serialize_key_and_certificates(named, one.key, one.certificate, list(one.others) or None, form)
        infos += der.read(der.read(single).child(1).child(1).child(0).octets()).children
    return archive_of(infos, passphrase)


def archive_of(infos: list[der.Element], passphrase: str) -> bytes:
    """Make an archive with these contents and an integrity check."""
    safe = der.encode_sequence(*(info.encoded() for info in infos))
    data, sha1 = der.encode_oid("1.2.840.113549.1.7.1"), der.encode_oid("1.3.14.3.2.26")
    content = der.encode_sequence(data, der.encode(der.CONTEXT_0, der.encode_octet_string(safe)))
    check = hmac.digest(_mac_key(passphrase), safe, "sha1")
    digest = der.encode_sequence(der.encode_sequence(sha1, der.ENCODED_NULL), der.encode_octet_string(check))
    mac = der.encode_sequence(digest, der.encode_octet_string(_SALT), der.encode_integer(2))
    return der.encode_sequence(der.encode_integer(3), content, mac)


_SALT = bytes(8)


def _mac_key(passphrase: str) -> bytes:
    """Derive a key as in RFC 7292, appendix B.2, with SHA-1 and two iterations."""
    secret = passphrase.encode("utf-16-be") + bytes(2)
    secret = (secret * 64)[: -(-len(secret) // 64) * 64]
    return hashlib.sha1(hashlib.sha1(bytes([3]) * 64 + _SALT * 8 + secret).digest()).digest()


def distinguished_name(common_name: str) -> x509.Name:
    components = [(NameOID.DOMAIN_COMPONENT, "org"), (NameOID.DOMAIN_COMPONENT, "example")]
    components.append((NameOID.COMMON_NAME, common_name))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in components])


def issue(
    common_name: str = "Alice",
    *,
    start: int = -1,
    days: int = 100,
    key: Any = None,
    issuer: Credential | None = None,
    authority: bool = False,
    host: str | None = None,
    extensions: tuple[x509.ExtensionType, ...] = (),
    digest: Any = None,
) -> Credential:
    """Issue a credential that is valid from ``start`` days from now for ``days`` days; self-signed without an issuer.

    :param authority: whether it is a CA. :param host: the DNS name of its server.
    :param extensions: further extensions, critical. :param digest: of the signature, if it is not SHA-256.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = distinguished_name(common_name)
    builder = x509.CertificateBuilder().subject_name(name).public_key(key.public_key())
    builder = builder.issuer_name(issuer.certificate.subject if issuer else name)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(NOW + start * DAY).not_valid_after(NOW + (start + days) * DAY)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    if authority and not any(isinstance(one, x509.BasicConstraints) for one in extensions):
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    signer = issuer.key if issuer else key
    needs_digest = not isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey))
    signed = builder.sign(signer, (digest or hashes.SHA256()) if needs_digest else None)
    return Credential(key, signed, (issuer.certificate, *issuer.others) if issuer else ())


def version_1(one: Credential, issuer: Credential | None = None) -> Credential:
    """Return the certificate of an elliptic curve key as X.509 version 1, which has no extensions."""
    read = der.read(one.certificate.tbs_certificate_bytes).children
    fields = [field.encoded() for field in read[1:7]]  # from the serial number to the public key
    body = der.encode_sequence(*fields)
    signature = der.encode(0x03, b"\0" + (issuer or one).key.sign(body, ec.ECDSA(hashes.SHA256())))
    signed = der.encode_sequence(body, fields[1], signature)
    return Credential(one.key, x509.load_der_x509_certificate(signed), one.others)


_FIELDS = ("serial_number", "algorithm", "issuer", "validity", "subject", "public_key")


def altered(one: Credential, **fields: bytes) -> bytes:
    """Return the certificate (DER) with other fields, each encoded in DER. Its signature does not match any more.

    :param fields: by their names in ``_FIELDS``, or ``extensions``.
    """
    version, *found = der.read(one.certificate.tbs_certificate_bytes).children
    encoded = {name: field.encoded() for name, field in zip((*_FIELDS, "extensions"), found)}
    body = der.encode_sequence(version.encoded(), *{**encoded, **fields}.values())
    signed = [part.encoded() for part in der.read(one.certificate.public_bytes(Encoding.DER)).children]
    return der.encode_sequence(body, *signed[1:])


def validity(start: bytes, end: bytes) -> bytes:
    """Return a validity as DER. :param start: and :param end: are UTCTimes."""
    return der.encode_sequence(der.encode(0x17, start), der.encode(0x17, end))


def without_seconds(one: Credential) -> bytes:
    """Return the certificate (DER) with dates without seconds, which OpenSSL reads and cryptography does not."""
    return altered(one, validity=validity(b"2001010000Z", b"4901010000Z"))


RSA_PSS = der.encode_oid("1.2.840.113549.1.1.10")
# RFC 4055: SHA-256, MGF1 with SHA-256 and 32 bytes of salt.
PSS_SHA256 = bytes.fromhex(
    "3030a00d300b0609608648016503040201a11a301806092a864886f70d010108300b0609608648016503040201a203020120"
)


def rsa_pss(one: Credential, parameters: bytes = b"") -> Credential:
    """Return the certificate of an RSA key with an AlgorithmIdentifier for RSA-PSS signatures only."""
    fields = der.read(one.certificate.tbs_certificate_bytes).children
    encoded = [field.encoded() for field in fields]
    number = der.encode(0x03, fields[6].children[1].content)
    encoded[6] = der.encode_sequence(der.encode_sequence(RSA_PSS, parameters), number)
    body, algorithm = der.encode_sequence(*encoded), encoded[2]
    signature = one.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    signed = der.encode_sequence(body, algorithm, der.encode(0x03, b"\0" + signature))
    return Credential(one.key, x509.load_der_x509_certificate(signed), one.others)


def loose(one: Credential) -> Credential:
    """Write an archive with an RSA key and an RSA-PSS certificate, because some writers refuse this pair."""
    return Credential(one.key, None, (one.certificate, *one.others))


def load_in_tls(certificate: str, privatekey: str, directory: Path, passphrase: str = "") -> None:
    """Load a pair in PEM like TLS clients and servers.

    :raises ssl.SSLError: it is no pair.
    """
    (directory / "certificate.pem").write_text(certificate)
    (directory / "key.pem").write_text(privatekey)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "certificate.pem", directory / "key.pem", lambda: passphrase)


def revoke(
    authority: Credential,
    serials: list[int],
    *,
    number: int = 1,
    start: int = -1,
    days: int = 30,
    signed_by: Credential | None = None,
) -> bytes:
    """Return a CRL of ``authority`` in PEM, valid from ``start`` days from now for ``days`` days.

    :param signed_by: another CA, which may not sign this CRL.
    """
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(NOW + start * DAY).next_update(NOW + (start + days) * DAY)
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(x509.CRLNumber(number), critical=False).add_extension(key_id, critical=False)
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(NOW - DAY).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign((signed_by or authority).key, hashes.SHA256()).public_bytes(Encoding.PEM)


def extended_list(number: int, key_id: bytes) -> bytes:
    """Return an unsigned CRL in DER with fields of any length, like that of a user who wants to fill the memory."""
    key = der.encode_sequence(der.encode(0x80, key_id))
    listed = [("2.5.29.20", der.encode_integer(number)), ("2.5.29.35", key)]
    extensions = [der.encode_sequence(der.encode_oid(oid), der.encode_octet_string(value)) for oid, value in listed]
    name = distinguished_name("Root").public_bytes()
    parts = [der.encode_integer(1), der.encode_sequence(), name, der.encode(0x17, b"991231235959Z")]
    body = der.encode_sequence(*parts, der.encode(der.CONTEXT_0, der.encode_sequence(*extensions)))
    return der.encode_sequence(body, der.encode_sequence(), der.encode(0x03, b"\0"))


def certificates_only(*certificates: x509.Certificate, indefinite: bool = False, message: bytes = b"") -> bytes:
    """Return PKCS#7 with certificates only (RFC 2315), in DER or with indefinite lengths.

    cryptography 36 cannot write it. :param message: the content, without a signature.
    """

    def enclose(tag: int, *parts: bytes) -> bytes:
        content = b"".join(parts)
        return bytes([tag, 0x80]) + content + b"\0\0" if indefinite else der.encode(tag, content)

    content = enclose(der.CONTEXT_0, der.encode_octet_string(message)) if message else b""
    inside = enclose(der.SEQUENCE, der.encode_oid("1.2.840.113549.1.7.1"), content)
    listed = enclose(der.CONTEXT_0, *(one.public_bytes(Encoding.DER) for one in certificates))
    empty = der.encode(0x31, b"")
    signed = enclose(der.SEQUENCE, der.encode_integer(1), empty, inside, listed, empty)
    return enclose(der.SEQUENCE, der.encode_oid("1.2.840.113549.1.7.2"), enclose(der.CONTEXT_0, signed))
