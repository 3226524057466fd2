# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the structure of a PKCS#12 archive (RFC 7292), as far as it is visible without a passphrase.

This needs the standard library only: a run with nothing to do reads the iterations of each archive, and opens none.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._credential import kdf
from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = [
    "BAG_OF_BAGS",
    "CERTIFICATE_BAG",
    "DATA",
    "ENCRYPTED_DATA",
    "KEY_BAGS",
    "SECRET_BAG",
    "SHROUDED_KEY_BAG",
    "algorithms",
    "content_of",
    "derivations",
    "infos",
    "key_bags",
    "mac_data",
    "safe_bags",
    "without_mac",
]

DATA = "1.2.840.113549.1.7.1"
ENCRYPTED_DATA = "1.2.840.113549.1.7.6"
SHROUDED_KEY_BAG = "1.2.840.113549.1.12.10.1.2"
KEY_BAGS = ("1.2.840.113549.1.12.10.1.1", SHROUDED_KEY_BAG)
CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3"
SECRET_BAG = "1.2.840.113549.1.12.10.1.5"
BAG_OF_BAGS = "1.2.840.113549.1.12.10.1.6"


def derivations(pfx: der.Element) -> Iterator[int]:
    """Yield the iterations of each key derivation that is visible without a passphrase."""
    for algorithm in algorithms(pfx):
        yield from kdf.iterations(algorithm)
    mac = mac_data(pfx)
    if mac is not None:
        yield mac.children[2].integer() if len(mac.children) > 2 else 1
        yield from kdf.iterations(mac.children[0].children[0])


def mac_data(pfx: der.Element) -> der.Element | None:
    """Return MacData; None if the archive has none, or if its form is wrong."""
    if len(pfx.children) < 3:
        return None
    mac = pfx.children[2]
    complete = len(mac.children) >= 2 and len(mac.children[0].children) == 2 and mac.children[0].children[0].children
    return mac if complete else None


def without_mac(data: bytes) -> bytes:
    """Return the archive ``data`` without its MacData. RFC 7292 allows such archives.

    This is for archives that cryptography does not open because of the form of their MAC. Call it only after
    :func:`pkcs12_mac.fits` has accepted the MAC. That check authenticates the contents: it computes the MAC of exactly
    the bytes that are kept here. So a wrong passphrase or a change of the contents is found before the MAC is removed.

    :raises DerError: ``data`` are no archive.
    """
    version, content = (der.read(data).child(index) for index in (0, 1))
    return der.encode_sequence(*(part.encoded() for part in (version, content)))


def content_of(info: der.Element) -> der.Element | None:
    """Return the element in ``[0]`` of a ContentInfo; None if there is none."""
    return info.children[1].children[0] if len(info.children) > 1 and info.children[1].children else None


def infos(pfx: der.Element) -> Iterator[tuple[str, der.Element]]:
    """Yield type and content of each ContentInfo of the archive.

    :raises DerError: a ContentInfo cannot be read. Its iterations are then unknown, so the archive must not be opened.
    """
    content = content_of(pfx.child(1))
    if content is None or pfx.child(1).child(0).oid() != DATA:  # signed archives are refused later
        return
    for info in der.read(content.octets()).children:
        inner = content_of(info)
        if inner is not None:
            yield info.child(0).oid(), inner


def key_bags(pfx: der.Element) -> Iterator[der.Element]:
    """Yield the SafeBag of each private key, encrypted or not, that is visible without a passphrase."""
    for bag in safe_bags(pfx):
        if bag.child(0).oid() in KEY_BAGS:
            yield bag


def safe_bags(pfx: der.Element) -> Iterator[der.Element]:
    """Yield each SafeBag that is visible without a passphrase, also SafeBags in other bags."""
    for kind, content in infos(pfx):
        if kind == DATA:
            yield from _bags_among(der.read(content.octets()))


def _bags_among(bags: der.Element) -> Iterator[der.Element]:
    for bag in bags.children:
        if bag.child(0).oid() == BAG_OF_BAGS:
            yield from _bags_among(bag.child(1).child(0))
        else:
            yield bag


def algorithms(pfx: der.Element) -> Iterator[der.Element]:
    """Yield the AlgorithmIdentifier of each encryption that is visible without a passphrase."""
    for kind, content in infos(pfx):
        if kind == ENCRYPTED_DATA:
            yield content.child(1).child(1)
    for bag in key_bags(pfx):
        if bag.child(0).oid() == SHROUDED_KEY_BAG:
            yield bag.child(1).child(0).child(0)
