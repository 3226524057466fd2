# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read parts of X.509 certificates (RFC 5280) with the standard library, for nodes. This module checks no signature."""

from __future__ import annotations

import itertools

from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem

__all__ = [
    "EC",
    "KEY",
    "LABELS",
    "PEM_LABEL",
    "RSA",
    "RSA_PSS",
    "fields",
    "first",
    "is_ca",
    "is_one",
    "key_algorithm",
    "key_type",
    "names_ca",
]

PEM_LABEL = "CERTIFICATE"
LABELS = (PEM_LABEL, "X509 CERTIFICATE")  # OpenSSL and cryptography read the old label, too
_LARGEST = 1 << 16  # bytes; host certificates with hundreds of names have some 20 KiB
_FIELDS = 6  # the number of fields of each certificate, without the version
_FIELD_TAGS = [der.INTEGER, *[der.SEQUENCE] * (_FIELDS - 1)]
_PARTS = [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]
KEY = 5  # the index of subjectPublicKeyInfo in :func:`fields`
_BOOLEAN = 0x01
_BASIC_CONSTRAINTS = "2.5.29.19"
# Types of keys
RSA = "1.2.840.113549.1.1.1"  # rsaEncryption of PKCS#1, for all kinds of signatures
RSA_PSS = "1.2.840.113549.1.1.10"  # id-RSASSA-PSS
EC = "1.2.840.10045.2.1"  # id-ecPublicKey


def first(content: bytes) -> bytes | None:
    """Return the DER of the first certificate in ``content`` (PEM or DER), without the bytes after it; or None.

    Private keys, CRLs, requests and other objects in DER are refused, because they have other parts.
    """
    if b"-----BEGIN " not in content:
        return _first(content)
    return _first(next((block.data for block in pem.blocks(content) if block.label in LABELS), b""))


def _first(data: bytes) -> bytes | None:
    try:
        certificate = der.first(data)
    except der.DerError:
        return None
    return certificate if len(certificate) <= _LARGEST and is_one(certificate) else None


def is_one(data: bytes) -> bool:
    """Return whether the outer elements are the elements of a certificate. CRLs, requests and keys have others."""
    try:
        (whole,) = der.split(data)
        parts = list(itertools.islice(der.split(whole.content), len(_PARTS) + 1))
        tags = [field.tag for field in itertools.islice(der.split(parts[0].content), _FIELDS + 1)]
    except (ValueError, IndexError):
        return False
    if tags[:1] == [der.CONTEXT_0]:  # the version, which the oldest certificates do not have
        tags = tags[1:]
    return [part.tag for part in parts] == _PARTS and tags[:_FIELDS] == _FIELD_TAGS


def is_ca(certificate: bytes) -> bool:
    """Return whether a certificate in DER belongs to a CA (:func:`names_ca`); False if it cannot be read."""
    try:
        return names_ca(fields(certificate))
    except (ValueError, IndexError):
        return False


def fields(certificate: bytes) -> list[der.Element]:
    """Return the fields of a certificate's TBSCertificate (RFC 5280 section 4.1), without the version.

    :raises der.DerError: ``certificate`` is no certificate.
    """
    outer = next(der.split(certificate), None)
    parts = list(der.split(outer.content)) if outer and outer.tag == der.SEQUENCE else []
    if [part.tag for part in parts] != _PARTS:
        raise der.DerError("no certificate has these parts")
    found = list(der.split(parts[0].content))
    if found and found[0].tag == der.CONTEXT_0:  # the version, which the oldest certificates do not have
        found = found[1:]
    if [field.tag for field in found[:_FIELDS]] != _FIELD_TAGS:
        raise der.DerError("no certificate has these fields")
    return found


def names_ca(found: list[der.Element]) -> bool:
    """Return whether a certificate belongs to a CA: by basicConstraints, or else because it is self-issued.

    Old roots of the grid have no basicConstraints.

    :param found: the result of :func:`fields`.
    :raises ValueError: the extensions cannot be read.
    """
    constraints = _basic_constraints(found[-1]) if found[-1].tag == der.CONTEXT_3 else None
    if constraints is None:
        return found[2].content == found[4].content
    flag = constraints.children[:1]
    return bool(flag) and flag[0].tag == _BOOLEAN and any(flag[0].content)


def key_algorithm(certificate: bytes) -> bytes:
    """Return the AlgorithmIdentifier of a certificate's public key, byte for byte; nothing if there is none."""
    try:
        return der.first(fields(certificate)[KEY].content)
    except ValueError:
        return b""


def key_type(certificate: bytes) -> str:
    """Return the object identifier of the type of a certificate's public key; nothing if there is none."""
    try:
        return der.read(key_algorithm(certificate)).child(0).oid()
    except der.DerError:
        return ""


def _basic_constraints(extensions: der.Element) -> der.Element | None:
    for extension in der.read(extensions.content).children:
        if extension.child(0).oid() == _BASIC_CONSTRAINTS:
            return der.read(extension.children[-1].octets())
    return None
