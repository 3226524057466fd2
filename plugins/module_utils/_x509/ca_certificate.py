# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the facts of a CA's certificate that a trust directory needs from its DER.

Grid clients use OpenSSL. OpenSSL reads certificates that the library cryptography refuses: with dates without seconds,
with serial numbers that are not positive, or with keys on unusual curves. This reader accepts them, too. It checks no
signature, no key, and no extension except basicConstraints.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import re
from dataclasses import dataclass

from ansible_collections.grid.security.plugins.module_utils._x509 import (
    certificate_der,
    crl,
    der,
    distinguished_name,
    pem,
)

__all__ = ["CaCertificate", "UnreadableError", "read", "subject"]

_SERIAL, _ALGORITHM, _ISSUER, _VALIDITY, _SUBJECT, _KEY = range(6)  # among the fields of a certificate
_VERSION_3 = 2
# OpenSSL prints dates without seconds and with a time zone, too.
_DATE = r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?(?:\.\d+)?(Z|[+-]\d{4})"
_DATES = {
    der.UTC_TIME: re.compile(rf"(\d\d){_DATE}", re.ASCII),
    der.GENERALIZED_TIME: re.compile(rf"(\d{{4}}){_DATE}", re.ASCII),
}
_MOST_SHOWN = 40  # characters of a date in messages
_COMMON_NAME = "2.5.4.3"
_RSA_KEYS = (certificate_der.RSA, certificate_der.RSA_PSS)
_WEAK_DIGESTS = {
    "1.2.840.113549.1.1.2": "MD2",  # md2WithRSAEncryption
    "1.2.840.113549.1.1.3": "MD4",  # md4WithRSAEncryption
    "1.3.14.3.2.2": "MD4",  # md4WithRSA
    "1.2.840.113549.1.1.4": "MD5",  # md5WithRSAEncryption
    "1.3.14.3.2.3": "MD5",  # md5WithRSA
    "1.2.840.113549.2.2": "MD2",
    "1.2.840.113549.2.4": "MD4",
    "1.2.840.113549.2.5": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",  # sha1WithRSAEncryption
    "1.3.14.3.2.29": "SHA-1",  # sha1WithRSA
    "1.2.840.10040.4.3": "SHA-1",  # dsa-with-sha1
    "1.3.14.3.2.27": "SHA-1",  # dsaWithSHA1
    "1.2.840.10045.4.1": "SHA-1",  # ecdsa-with-SHA1
    "1.3.14.3.2.26": "SHA-1",
}


class UnreadableError(ValueError):
    """Report why bytes are no certificate, in words that fit in brackets after the name of the file."""


@dataclass(frozen=True)
class CaCertificate:
    """Hold the facts of a certificate.

    :param der: the whole certificate. :param subject: in DER. :param issuer: in DER.
    :param is_ca: the result of :func:`certificate_der.names_ca`. :param public_key: the SubjectPublicKeyInfo in DER.
    :param weak_digest: MD2, MD4, MD5 or SHA-1 if the signature uses it, or an empty string.
    :param rsa_bits: the size of an RSA key, or None for other keys.
    :param odd_date: the reason if OpenSSL accepts no chain with the certificate because of its dates; else empty.
    :param oddity: the reason if some programs refuse the certificate; else empty.
    :param java_oddity: the reason if Java refuses each truststore with the certificate; else empty.
    """

    der: bytes
    subject: bytes
    issuer: bytes
    not_before: datetime.datetime
    not_after: datetime.datetime
    is_ca: bool
    public_key: bytes
    weak_digest: str
    rsa_bits: int | None
    odd_date: str
    oddity: str
    java_oddity: str

    @functools.cached_property
    def subject_dn(self) -> str:
        """Return the subject as an OpenSSL one-line DN."""
        return distinguished_name.der_one_line(self.subject)

    @functools.cached_property
    def issuer_dn(self) -> str:
        """Return the issuer as an OpenSSL one-line DN."""
        return distinguished_name.der_one_line(self.issuer)

    @functools.cached_property
    def canonical_subject(self) -> bytes:
        """Return the canonical form of the subject (:func:`distinguished_name.canonical`)."""
        return distinguished_name.canonical(self.subject)

    @functools.cached_property
    def canonical_issuer(self) -> bytes:
        """Return the canonical form of the issuer."""
        return self.canonical_subject if self.issuer == self.subject else distinguished_name.canonical(self.issuer)

    @functools.cached_property
    def hashes(self) -> tuple[str, str]:
        """Return the hashes of the subject (:func:`distinguished_name.der_hashes`)."""
        return distinguished_name.der_hashes(self.subject)

    @property
    def is_self_issued(self) -> bool:
        """Return whether subject and issuer are the same."""
        return self.canonical_issuer == self.canonical_subject

    @property
    def common_name(self) -> str:
        """Return the first common name of the subject; empty if there is none."""
        pairs = [pair for rdn in der.read(self.subject).children for pair in rdn.children]
        return next((_text(pair.child(1)) for pair in pairs if pair.child(0).oid() == _COMMON_NAME), "")

    @functools.cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 fingerprint, in pairs of digits between colons."""
        return hashlib.sha256(self.der).digest().hex(":")

    @property
    def pem(self) -> bytes:
        """Return the certificate as PEM."""
        return pem.encode(certificate_der.PEM_LABEL, self.der)


def read(data: bytes) -> CaCertificate:
    """Read the certificate at the start of ``data`` (DER). Bytes after it are ignored, as in OpenSSL.

    :raises UnreadableError: there is no certificate, or a part that a trust directory needs cannot be read.
    """
    try:
        return _read(der.first(data))
    except (ValueError, IndexError) as error:  # UnicodeError and DerError are ValueErrors
        raise UnreadableError(str(error)) from error


def subject(data: bytes) -> bytes | None:
    """Return the DER of the subject, also if :func:`read` refuses the certificate; None if there is no subject."""
    try:
        found = certificate_der.fields(der.first(data))[_SUBJECT].encoded()
        distinguished_name.canonical(found)
        distinguished_name.der_one_line(found)
    except (ValueError, IndexError):
        return None
    return found


def _read(data: bytes) -> CaCertificate:
    fields = certificate_der.fields(data)
    dates = [_date(element) for element in der.split(fields[_VALIDITY].content)]
    if len(dates) != 2:
        raise UnreadableError("its validity has no start and end")
    java_oddity, odd_date, odd_serial = _java_oddity(data, fields), _odd_date(fields), _odd_serial_number(fields)
    found = CaCertificate(
        der=data,
        subject=fields[_SUBJECT].encoded(),
        issuer=fields[_ISSUER].encoded(),
        not_before=dates[0],
        not_after=dates[1],
        is_ca=certificate_der.names_ca(fields),
        public_key=fields[_KEY].encoded(),
        weak_digest=_weak_digest(fields[_ALGORITHM]),
        rsa_bits=_rsa_bits(fields[_KEY]),
        odd_date=odd_date,
        oddity=java_oddity or odd_date or odd_serial,
        java_oddity=java_oddity,
    )
    for name in (found.subject, found.issuer):
        distinguished_name.canonical(name)  # raises an error if this is no name, so that no property fails later
    return found


def _text(value: der.Element) -> str:
    return value.content.decode(distinguished_name.WIDE.get(value.tag, "utf-8"), "replace")


def _date(element: der.Element) -> datetime.datetime:
    text = element.content.decode("ascii", "replace")
    match = _DATES[element.tag].fullmatch(text) if element.tag in _DATES else None
    if match is None:
        raise UnreadableError(f"its validity has the date {text[:_MOST_SHOWN]!r}")
    *numbers, zone = match.groups()
    year, month, day, hour, minute, second = (int(one or 0) for one in numbers)
    if element.tag == der.UTC_TIME:
        year += 1900 if year >= 50 else 2000
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.timezone.utc)
        return moment - _offset(zone)
    except (ValueError, OverflowError) as error:
        raise UnreadableError(f"its validity has the date {text[:_MOST_SHOWN]!r}") from error


def _offset(zone: str) -> datetime.timedelta:
    if zone == "Z":
        return datetime.timedelta()
    offset = datetime.timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
    return -offset if zone[0] == "-" else offset


def _java_oddity(data: bytes, fields: list[der.Element]) -> str:
    """Return why Java (sun.security.x509) refuses a certificate that OpenSSL reads; empty if Java does not."""
    version, extensions = _version(data), _extension_oids(fields[-1])
    if version > _VERSION_3 or (extensions and version != _VERSION_3):
        return f"it has the version {version + 1} and {len(extensions)} extensions"
    if len(set(extensions)) < len(extensions):
        return "it has an extension twice"
    algorithm = list(der.split(_first(fields[_KEY].content).content))
    if len(algorithm) > 1 and algorithm[0].oid() == certificate_der.EC and algorithm[1].tag == der.SEQUENCE:
        return "its key has the parameters of a curve in place of the curve's name"
    return ""


def _version(data: bytes) -> int:
    first = _first(_first(_first(data).content).content)
    return _first(first.content).integer() if first.tag == der.CONTEXT_0 else 0


def _first(data: bytes) -> der.Element:
    """Return the element at the start of ``data``, without its children."""
    found = next(der.split(data), None)
    if found is None:
        raise der.DerError("an element is empty")
    return found


def _extension_oids(extensions: der.Element) -> list[str]:
    if extensions.tag != der.CONTEXT_3:
        return []
    return [_first(one.content).oid() for one in der.split(_first(extensions.content).content)]


def _odd_date(fields: list[der.Element]) -> str:
    """Return a fault of the dates by RFC 5280 section 4.1.2.5, or empty. Real CAs have dates without seconds."""
    for one in der.split(fields[_VALIDITY].content):
        try:
            crl.time_of(one)
        except ValueError:
            text = one.content[:_MOST_SHOWN].decode("ascii", "replace")
            return f"the date {text} is not in the form of RFC 5280, so OpenSSL since 1.1 accepts no chain with it"
    return ""


def _odd_serial_number(fields: list[der.Element]) -> str:
    """Return a fault of the serial number by RFC 5280 section 4.1.2.2, or empty. Real CAs have the number 0."""
    serial = fields[_SERIAL].content
    if not serial:
        raise UnreadableError("it has no serial number")
    return "its serial number is not positive" if not any(serial) or serial[0] & 0x80 else ""


def _weak_digest(algorithm: der.Element) -> str:
    """Return the weak digest of a signature algorithm, or an empty string."""
    oid = _first(algorithm.content).oid()
    if oid != certificate_der.RSA_PSS:
        return _WEAK_DIGESTS.get(oid, "")
    parts = der.read(algorithm.encoded()).children
    parameters = parts[1].children if len(parts) > 1 else ()
    chosen = [one.child(0).child(0).oid() for one in parameters if one.tag == der.CONTEXT_0]
    return _WEAK_DIGESTS.get(chosen[0], "") if chosen else "SHA-1"  # RFC 4055: the default


def _rsa_bits(key: der.Element) -> int | None:
    """Return the size of an RSA key; None for other keys, and for a key that cannot be read."""
    try:
        algorithm, bits = list(der.split(key.content))[:2]
        if _first(algorithm.content).oid() not in _RSA_KEYS:
            return None
        modulus = der.read(bits.content[1:]).child(0, der.INTEGER).content
        return int.from_bytes(modulus, "big").bit_length()
    except ValueError:
        return None
