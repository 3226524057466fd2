# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read all keys and certificates of a PKCS#12 archive. Each part is decrypted separately."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ansible_collections.grid.security.plugins.module_utils._credential import kdf, pkcs12_cipher
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = ["CERTIFICATES", "KEY", "Contents", "Item", "friendly_name", "read"]

KEY, CERTIFICATES = "private key", "certificates"
_X509 = "1.2.840.113549.1.9.22.1"
_FRIENDLY_NAME = "1.2.840.113549.1.9.20"
_SEQUENCE, _ENDLESS = b"\x30", b"\x30\x80"  # with a length, and without one


@dataclass(frozen=True)
class Item:
    """Hold a private key or a certificate.

    :param data: PrivateKeyInfo or certificate in DER.
    :param name: the friendly name in the archive, or an empty string.
    """

    data: bytes
    name: str


@dataclass
class Contents:
    """Hold the keys and certificates, and the encrypted parts, each as :data:`KEY` or :data:`CERTIFICATES`.

    :param opened: parts that a passphrase has opened. :param locked: parts that no passphrase has opened.
    :param damaged: opened parts that are no keys or certificates.
    :param unknown: parts whose cipher is unknown here, with the name of the cipher.
    """

    keys: list[Item] = field(default_factory=list)
    certificates: list[Item] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    locked: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)

    def count_of_keys(self) -> int:
        """Return the number of private keys, including keys that could not be decrypted."""
        return len(self.keys) + sum(part == KEY for part in self._unread())

    def hides_certificates(self) -> bool:
        """Return whether a part with certificates, and possibly with keys, could not be read."""
        return CERTIFICATES in self._unread()

    def _unread(self) -> list[str]:
        return [*self.locked, *self.damaged, *(part for part, _cipher in self.unknown)]


def read(pfx: der.Element, passphrases: Iterable[bytes | None], limit: int, name: str) -> Contents:
    """Open each part with the first passphrase that opens the part.

    :param limit: the most iterations of all encrypted parts together, including nested parts, without the MAC.
    :param name: the archive's name in messages.
    :raises DerError: the structure is damaged. :raises GridSecurityError: ``kdf_limit``.
    """
    reader = _Reader(tuple(passphrases), limit, name)
    for kind, content in structure.infos(pfx):
        reader.info(kind, content)
    return reader.contents


class _Reader:
    def __init__(self, passphrases: tuple[bytes | None, ...], limit: int, name: str) -> None:
        self.contents = Contents()
        self._passphrases, self._limit, self._name = passphrases, limit, name
        self._asked = 0

    def info(self, kind: str, content: der.Element) -> None:
        if kind == structure.DATA:
            self._bags(der.read(content.octets()))
        elif kind == structure.ENCRYPTED_DATA:
            encrypted = content.child(1)
            plain = self._decrypted(CERTIFICATES, encrypted.child(1), encrypted.child(2).octets())
            if plain is not None:
                self._decrypted_bags(plain)

    def _decrypted_bags(self, bags: der.Element) -> None:
        try:
            self._bags(bags)
        except der.DerError:
            self.contents.damaged.append(CERTIFICATES)

    def _bags(self, bags: der.Element) -> None:
        for bag in bags.children:
            kind, value = bag.child(0).oid(), bag.child(1).child(0)
            if kind == structure.BAG_OF_BAGS:
                self._bags(value)
                continue
            if kind == structure.CERTIFICATE_BAG and value.child(0).oid() == _X509:
                certificate = value.child(1).child(0).octets()
                self.contents.certificates.append(Item(certificate, friendly_name(bag)))
            if kind in structure.KEY_BAGS:
                self._key(bag, value, kind == structure.SHROUDED_KEY_BAG)

    def _key(self, bag: der.Element, value: der.Element, is_encrypted: bool) -> None:
        key = self._decrypted(KEY, value.child(0), value.child(1).octets()) if is_encrypted else value
        if key is not None:
            self.contents.keys.append(Item(key.encoded(), friendly_name(bag)))

    def _decrypted(self, what: str, algorithm: der.Element, data: bytes) -> der.Element | None:
        self._asked += sum(max(number, 0) for number in kdf.iterations(algorithm))
        kdf.refuse_bombs([self._asked], self._limit, self._name)
        for passphrase in pkcs12_cipher.encodings(algorithm, self._passphrases):
            try:
                plain = pkcs12_cipher.decrypt(algorithm, data, passphrase)
            except pkcs12_cipher.UnknownCipherError as error:
                self.contents.unknown.append((what, str(error)))
                return None
            except der.DerError:
                continue
            if _is_plain(plain):
                return self._opened(what, plain)
        self.contents.locked.append(what)
        return None

    def _opened(self, what: str, plain: bytes) -> der.Element | None:
        self.contents.opened.append(what)
        try:
            return der.read(plain)
        except der.DerError:
            self.contents.damaged.append(what)
            return None


def _is_plain(data: bytes) -> bool:
    """Return whether ``data`` are exactly one sequence. A wrong passphrase gives correct padding once in 256 times."""
    try:
        return data[:2] == _ENDLESS or (data[:1] == _SEQUENCE and len(der.first(data)) == len(data))
    except der.DerError:
        return False


def friendly_name(bag: der.Element) -> str:
    """Return the friendly name of a SafeBag, or an empty string. Attributes that cannot be read are ignored."""
    for attribute in (one for part in bag.children[2:] for one in part.children):
        try:
            if attribute.child(0).oid() == _FRIENDLY_NAME:
                return attribute.child(1).child(0).content.decode("utf-16-be", errors="replace")
        except der.DerError:
            continue
    return ""
