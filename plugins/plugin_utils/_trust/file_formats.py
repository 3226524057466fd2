# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognize files that are given by mistake in place of CA certificates, and say how to get the certificates."""

from __future__ import annotations

import re

from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = ["describe", "is_der", "recognize"]

_FETCH = "Fetch it again."
_TARBALL = "If it is a tarball, give it a name that ends in"
_KEYSTORE = (
    "List it: keytool -list -keystore FILE. Export each certificate: keytool -exportcert -rfc -keystore FILE -alias"
    " ALIAS -file NEW.pem"
)
# Position, first bytes, and the sentence about the file, without its subject.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "is a zip archive. Unpack it: unzip FILE"),
    (0, b"PK\x05\x06", f"is an empty zip archive. {_FETCH}"),
    (0, b"!<arch>\ndebian-binary", "is a Debian package. Unpack it: dpkg-deb -x FILE DIRECTORY"),
    (0, b"\xed\xab\xee\xdb", "is an RPM package. Unpack it: rpm2cpio FILE | cpio -id"),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive. Unpack it: 7z x FILE"),
    (0, b"\x28\xb5\x2f\xfd", "is compressed by zstd. Unpack it: zstd -dc FILE > NEW"),
    (0, b"\xfe\xed\xfe\xed", f"is a Java keystore (JKS). {_KEYSTORE}"),
    (0, b"\xce\xce\xce\xce", f"is a Java keystore (JCEKS). {_KEYSTORE}"),
    (0, b"SQLite format 3\0", "is a database. Of NSS (cert9.db): certutil -L -d DIRECTORY -n NAME -a > NEW.pem"),
    (0, b"\xff\xfe", "is text in UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (0, b"\xfe\xff", "is text in UTF-16. Convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (0, b"$ANSIBLE_VAULT;", "is encrypted by ansible-vault. Decrypt it: ansible-vault decrypt FILE"),
    (0, b"version https://git-lfs.", "is a pointer of Git LFS. Fetch the file: git lfs pull"),
)
_PACKED: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", f"is compressed by gzip. {_TARBALL} .tar.gz. If not, unpack it: gzip -dc FILE > NEW"),
    (0, b"\xfd7zXZ\0", f"is compressed by xz. {_TARBALL} .tar.xz. If not, unpack it: xz -dc FILE > NEW"),
    (0, b"BZh", f"is compressed by bzip2. {_TARBALL} .tar.bz2. If not, unpack it: bzip2 -dc FILE > NEW"),
    (257, b"ustar", "is a tarball. Give it a name that ends in .tar"),
)
_PAGES = (b"<!doctype html", b"<html", b"<?xml")
_LABEL = re.compile(rb"-----BEGIN ([ -~]{1,64}?)-----")
_WITHOUT = "is PKCS#7 without certificates. Ask for one with certificates, or for PEM."
_LABELS = {
    "PKCS7": _WITHOUT,
    "CMS": _WITHOUT,
    "TRUSTED CERTIFICATE": "holds a certificate in a form that only OpenSSL reads (TRUSTED CERTIFICATE). Convert it:"
    " openssl x509 -in FILE -out NEW.pem",
    "X509 CRL": "holds a CRL and no certificate. Name the certificate of the CA.",
    "CERTIFICATE REQUEST": "holds a request for a certificate. Name the certificate that was issued.",
    "NEW CERTIFICATE REQUEST": "holds a request for a certificate. Name the certificate that was issued.",
    "PKCS #7 SIGNED DATA": "holds PKCS#7 under an old label. Convert it:"
    " openssl pkcs7 -in FILE -print_certs -out NEW.pem",
    "PUBLIC KEY": "holds a public key without its certificate. Name the certificate of the CA.",
    "PGP PUBLIC KEY BLOCK": "holds a key of GPG. Name it as keyring.",
    "PGP SIGNATURE": "holds a signature of GPG. Name it as signature.",
}
_SHOWN = 3  # labels
_PRIVATE_KEY = "holds a private key, which does not belong among trust anchors. Remove it from the source."
_LEVELS = 2  # of ASN.1 that are read
# The tags of the first elements of a sequence, and the sentence.
_STRUCTURES: tuple[tuple[tuple[int, ...], str], ...] = (
    ((der.INTEGER, der.SEQUENCE, der.OCTET_STRING), _PRIVATE_KEY),  # PKCS#8
    ((der.INTEGER, der.INTEGER), _PRIVATE_KEY),  # RSA
    ((der.INTEGER, der.OCTET_STRING), _PRIVATE_KEY),  # elliptic curves
    ((der.SEQUENCE, der.OCTET_STRING), _PRIVATE_KEY),  # PKCS#8, encrypted
    (
        (der.INTEGER, der.SEQUENCE),
        f"is a PKCS#12 archive or truststore. Export its certificates: openssl pkcs12 -in FILE -nokeys -out NEW.pem. Or"
        f" of Java. {_KEYSTORE}",
    ),
    ((der.SEQUENCE, der.BIT_STRING), _LABELS["PUBLIC KEY"]),
    ((der.OBJECT_IDENTIFIER,), _WITHOUT),
)


def recognize(data: bytes, packed: bool = True) -> str | None:
    """Return the form of a file and the remedy, as the rest of a sentence; None if the first bytes are not known.

    :param packed: whether tarballs and compressed files are recognized, too.
    """
    for position, magic, sentence in (*_MAGIC, *(_PACKED if packed else ())):
        if data.startswith(magic, position):
            return sentence
    if data[:200].lstrip().lower().startswith(_PAGES) and b"-----BEGIN " not in data:
        return "is a web page. Open it in a browser, and fetch the file behind its link."
    return None


def describe(data: bytes) -> str:
    """Return the form of a file without certificates and the remedy, as the rest of a sentence."""
    if not data.strip():
        return f"is empty. {_FETCH}"
    return recognize(data) or (None if is_der(data) else _in_pem(data)) or _in_der(data) or _in_text(data)


def is_der(data: bytes) -> bool:
    """Return whether a file begins like a certificate in DER or BER. No text begins like that."""
    return data[:1] == bytes([der.SEQUENCE]) and data[1:2] >= b"\x80"


def _in_pem(data: bytes) -> str | None:
    labels = list(dict.fromkeys(match.group(1).decode() for match in _LABEL.finditer(data)))
    known = next((_LABELS[label] for label in labels if label in _LABELS), None)
    return known or (f"holds no certificate but {', '.join(labels[:_SHOWN])}. {_FETCH}" if labels else None)


def _in_der(data: bytes) -> str | None:
    try:
        whole = der.read(data, _LEVELS)
    except der.Truncated:
        return f"is truncated. {_FETCH}" if is_der(data) else None
    except der.DerError:
        return None
    tags = tuple(part.tag for part in whole.children)
    if tags == (der.SEQUENCE, der.SEQUENCE, der.BIT_STRING):
        return _in_signed(tuple(part.tag for part in whole.children[0].children))
    found = (sentence for start, sentence in _STRUCTURES if tags[: len(start)] == start)
    return next(found, None) if whole.tag == der.SEQUENCE else None


def _in_signed(tags: tuple[int, ...]) -> str | None:
    """Return the form of a signed structure that is no certificate."""
    if der.UTC_TIME in tags or der.GENERALIZED_TIME in tags:
        return _LABELS["X509 CRL"]
    return _LABELS["CERTIFICATE REQUEST"] if tags[:3] == (der.INTEGER, der.SEQUENCE, der.SEQUENCE) else None


def _in_text(data: bytes) -> str:
    if data.lstrip().startswith(b"MII"):
        return "is Base64 without the line BEGIN CERTIFICATE. Decode it: base64 -d FILE > NEW.der"
    return f"is no certificate in PEM, DER or PKCS#7. {_FETCH}"
