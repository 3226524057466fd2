# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render a Java truststore: PKCS#12 with certificates only, without encryption and MAC, like Java's own ``cacerts``.

cryptography 45 and newer can write truststores with a MAC. Its salt is random, so the bytes differ each time, and users
need its password. A truststore without a MAC opens with any password. Tests check that with Java's keytool.
"""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._x509 import der
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["render", "warnings"]

# RFC 7292 (PKCS#12), RFC 2985 (friendlyName), RFC 5280 (anyExtendedKeyUsage)
_DATA = der.encode_oid("1.2.840.113549.1.7.1")
_CERTIFICATE_BAG = der.encode_oid("1.2.840.113549.1.12.10.1.3")
_X509_CERTIFICATE = der.encode_oid("1.2.840.113549.1.9.22.1")
_FRIENDLY_NAME = der.encode_oid("1.2.840.113549.1.9.20")
_ANY_PURPOSE = der.encode_oid("2.5.29.37.0")
# Oracle's attribute, by which Java takes a certificate for a trust anchor (sun.security.pkcs12.PKCS12KeyStore)
_TRUSTED_KEY_USAGE = der.encode_oid("2.16.840.1.113894.746875.1.1")
_SET = 0x31
_BMP_STRING = 0x1E
_EXPLICIT = 0xA0
_VERSION = 3


def render(anchors: list[Anchor]) -> bytes:
    """Return the truststore with these anchors. Java wants aliases in lower case.

    CAs in :func:`warnings` are left out, because Java would refuse the whole file.
    """
    named: dict[str, Anchor] = {}
    for anchor in (anchor for anchor in anchors if not anchor.certificate.java_oddity):
        alias = anchor.alias.lower()
        named[alias if alias not in named else f"{alias}-{anchor.fingerprint[:11].replace(':', '')}"] = anchor
    bags = der.encode_sequence(*(_bag(alias, anchor) for alias, anchor in named.items()))
    contents = der.encode_sequence(_content(bags))
    return der.encode_sequence(der.encode_integer(_VERSION), _content(contents))


def warnings(anchors: list[Anchor]) -> list[str]:
    """Return a line about the CAs that Java cannot read."""
    found = [
        f"{anchor.alias} ({anchor.certificate.java_oddity})" for anchor in anchors if anchor.certificate.java_oddity
    ]
    title = "trust anchors, not in the Java truststore because Java would refuse the whole file"
    return [f"{title}: {', '.join(found)}"] if found else []


def _content(data: bytes) -> bytes:
    return der.encode_sequence(_DATA, der.encode(_EXPLICIT, der.encode_octet_string(data)))


def _bag(alias: str, anchor: Anchor) -> bytes:
    certificate = der.encode_octet_string(anchor.certificate.der)
    value = der.encode_sequence(_X509_CERTIFICATE, der.encode(_EXPLICIT, certificate))
    attributes = [
        _attribute(_FRIENDLY_NAME, der.encode(_BMP_STRING, alias.encode("utf-16-be"))),
        _attribute(_TRUSTED_KEY_USAGE, _ANY_PURPOSE),
    ]
    together = der.encode(_SET, b"".join(sorted(attributes)))  # DER sorts the elements of a set
    return der.encode_sequence(_CERTIFICATE_BAG, der.encode(_EXPLICIT, value), together)


def _attribute(name: bytes, value: bytes) -> bytes:
    return der.encode_sequence(name, der.encode(_SET, value))
