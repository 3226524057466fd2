# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out the format of a file that should be a PKCS#12 archive, from its first bytes."""

from __future__ import annotations

import base64
import binascii
import re

from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = ["begins_as_pkcs12", "describe", "version"]

_BEGINNINGS = (
    (b"\xfe\xed\xfe\xed", "a Java keystore (JKS). Convert it by keytool -importkeystore -deststoretype PKCS12"),
    (b"\xce\xce\xce\xce", "a Java keystore (JCEKS). Convert it by keytool -importkeystore -deststoretype PKCS12"),
    (b"PK\x03\x04", "a ZIP archive. Unpack it"),
    (b"\x1f\x8b", "a file compressed by gzip. Unpack it"),
    (b"$ANSIBLE_VAULT;", "a file encrypted by ansible-vault. Give its vault password to Ansible"),
)
_PEM = (  # by the end of the BEGIN line
    (b"certificate request-----", "a PEM certificate request"),
    (b"private key-----", "a PEM private key"),
    (b"pkcs7-----", "a PEM file of certificates (PKCS#7)"),
    (
        b"pkcs12-----",
        "a PKCS#12 archive in PEM form. Convert it to binary form by base64 -d, without its first and last line",
    ),
)
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
# A sequence of a version and a sequence that starts with a content type of PKCS#7. The lengths may be damaged.
_BEGINNING = re.compile(
    rb"\x30.{1,5}\x02\x01([\x00-\x7f])\x30.{1,5}\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07", re.DOTALL
)
_TEXT = b"\t\r\n\x0c"
_PEEK = 4096


def begins_as_pkcs12(data: bytes) -> bool:
    """Return whether ``data`` start like a PKCS#12 archive of any version. The archive may be incomplete."""
    return _BEGINNING.match(data) is not None


def version(data: bytes) -> int:
    """Return the version of an archive. :param data: bytes for which :func:`begins_as_pkcs12` is true."""
    found = _BEGINNING.match(data)
    return found.group(1)[0] if found else 0


def describe(data: bytes) -> str:
    """Return the format of the file, and for some formats how to convert the file."""
    for beginning, kind in _BEGINNINGS:
        if data.startswith(beginning):
            return kind
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:_PEEK]
    if _is_text(data[:_PEEK]):
        return _describe_text(start.lower(), data)
    return _describe_der(data) if data[:1] == b"\x30" else "something unknown"


def _is_text(start: bytes) -> bool:
    return all(byte in _TEXT or byte >= 0x20 for byte in start)


def _describe_text(start: bytes, data: bytes) -> str:
    if b"-----begin " in start:
        return next((kind for label, kind in _PEM if label in start), "a PEM file")
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page"
    if _is_base64(data):
        return "the Base64 form of one. Convert it to binary form by base64 -d"
    return "a text file"


def _is_base64(data: bytes) -> bool:
    text = b"".join(data[:_PEEK].split())
    try:
        return begins_as_pkcs12(base64.b64decode(text[: len(text) // 4 * 4], validate=True))
    except binascii.Error:
        return False


def _describe_der(data: bytes) -> str:
    if data[:24].find(_SIGNED_DATA, 2, 20) > 0:
        return "a file of certificates (PKCS#7)"
    try:
        tags = [one.tag for one in der.read(data).children]
    except der.Truncated:
        return "a truncated DER file"
    except der.DerError:
        return "something unknown"
    if tags == [der.SEQUENCE, der.SEQUENCE, der.BIT_STRING]:
        return "a DER certificate"
    if tags[:3] == [der.INTEGER, der.SEQUENCE, der.OCTET_STRING] or tags == [der.INTEGER] * 9:
        return "a DER private key"
    return "an encrypted DER private key" if tags == [der.SEQUENCE, der.OCTET_STRING] else "another DER file"
