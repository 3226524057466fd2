# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the structure of a PKCS#12 archive (RFC 7292) as far as it shows without a passphrase.

Needs the standard library only: a run with nothing to do reads the iterations of each archive, and opens none.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._credential import kdf
from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = [
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
SECRET_BAG = "1.2.840.113549.1.12.10.1.5"
_BAG_OF_BAGS = "1.2.840.113549.1.12.10.1.6"


def derivations(pfx: der.Element) -> Iterator[int]:
    """The iterations of every key derivation that shows without a passphrase."""
    for algorithm in algorithms(pfx):
        yield from kdf.iterations(algorithm)
    mac = mac_data(pfx)
    if mac is not None:
        yield mac.children[2].integer() if len(mac.children) > 2 else 1
        yield from kdf.iterations(mac.children[0].children[0])


def mac_data(pfx: der.Element) -> der.Element | None:
    """MacData, if the archive has it and it is well-formed enough to be looked at."""
    if len(pfx.children) < 3:
        return None
    mac = pfx.children[2]
    complete = len(mac.children) >= 2 and len(mac.children[0].children) == 2 and mac.children[0].children[0].children
    return mac if complete else None


def without_mac(data: bytes) -> bytes:
    """Return the archive ``data`` without its MacData, as RFC 7292 allows archives to be.

    This is for archives that cryptography does not open because of the form of their MAC. Call it only after
    :func:`pkcs12_mac.fits` has accepted the MAC. The contents are then authenticated by that check: it computes the MAC
    of exactly the bytes that are kept here. So a wrong passphrase or a change of the contents is found before the cut.

    :raises DerError: it is no archive.
    """
    version, content = (der.read(data).child(index) for index in (0, 1))
    return der.encode_sequence(*(part.encoded() for part in (version, content)))


def content_of(info: der.Element) -> der.Element | None:
    """What lies in a ContentInfo's ``[0]``."""
    return info.children[1].children[0] if len(info.children) > 1 and info.children[1].children else None


def infos(pfx: der.Element) -> Iterator[tuple[str, der.Element]]:
    """Type and content of each ContentInfo of the archive.

    :raises DerError: one cannot be read; then nobody knows what it asks for, and it must not be opened.
    """
    content = content_of(pfx.child(1))
    if content is None or pfx.child(1).child(0).oid() != DATA:  # signed, which is told later
        return
    for info in der.read(content.octets()).children:
        inner = content_of(info)
        if inner is not None:
            yield info.child(0).oid(), inner


def key_bags(pfx: der.Element) -> Iterator[der.Element]:
    """Return the SafeBag of each private key that shows from outside, encrypted or not."""
    for bag in safe_bags(pfx):
        if bag.child(0).oid() in KEY_BAGS:
            yield bag


def safe_bags(pfx: der.Element) -> Iterator[der.Element]:
    """Return each SafeBag that shows from outside, also those inside of other bags."""
    for kind, content in infos(pfx):
        if kind == DATA:
            yield from _bags_among(der.read(content.octets()))


def _bags_among(bags: der.Element) -> Iterator[der.Element]:
    for bag in bags.children:
        if bag.child(0).oid() == _BAG_OF_BAGS:
            yield from _bags_among(bag.child(1).child(0))
        else:
            yield bag


def algorithms(pfx: der.Element) -> Iterator[der.Element]:
    """The AlgorithmIdentifier of every encryption that shows from outside."""
    for kind, content in infos(pfx):
        if kind == ENCRYPTED_DATA:
            yield content.child(1).child(1)
    for bag in key_bags(pfx):
        if bag.child(0).oid() == SHROUDED_KEY_BAG:
            yield bag.child(1).child(0).child(0)
