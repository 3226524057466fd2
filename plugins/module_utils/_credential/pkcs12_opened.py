# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the private keys and certificates of an opened PKCS#12 archive.

cryptography is fast and opens most archives. But it returns the first key only, and it refuses an archive as a whole.
:mod:`pkcs12_contents` reads each part separately. A part that cryptography cannot read there does not stop the others.
"""

from __future__ import annotations

import dataclasses
import warnings as python_warnings
from collections.abc import Iterable
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError, readable
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_contents
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._x509 import (
    certificate_der,
    certificate_faults,
    der,
    key_pair,
    private_key_info,
    safe_x509,
)

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["Key", "Opened", "from_contents", "may_hold_more_keys", "printable", "read", "refuse_many", "with_all_keys"]

_MOST_KEYS = 100  # of one archive; each takes time
_MOST_WARNINGS = 10
_LONGEST_NAME = 64  # characters
# The smallest sizes of parts of an archive in bytes, for may_hold_more_keys
_CERTIFICATE_OIDS, _HEADERS = 12 + 13, 5  # in the bag of a certificate; each header is as long as the certificate's own
_NAME = 17  # the attribute of a friendly name without its characters
_SMALLEST_KEY = 65  # the bag of an Ed25519 key


@dataclasses.dataclass(frozen=True)
class Key:
    """Hold a private key with its friendly names."""

    key: Any
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Opened:
    """Hold the contents of an archive.

    :param certificates: in the order of the archive, each with its friendly names.
    :param lost_keys: the number of private keys that cannot be read.
    :param lost_certificates: the certificates that cryptography does not read, in DER.
    """

    keys: list[Key]
    certificates: dict[x509.Certificate, tuple[str, ...]]
    lost_keys: int = 0
    lost_certificates: tuple[bytes, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return a warning for each part that is left out, with the reason."""
        found = []
        if self.lost_keys:
            total = self.lost_keys + len(self.keys)
            found.append(f"left out {self.lost_keys} of its {total} private keys, which cannot be read here.")
        for one in self.lost_certificates[:_MOST_WARNINGS]:
            fault = certificate_faults.find(one)
            found += [readable(f"left out a certificate: {fault[1]}")] if fault else []
        more = len(self.lost_certificates) - _MOST_WARNINGS
        return (*found, *([f"left out {more} more certificates that cannot be read here."] if more > 0 else []))

    def fault_of_a_pair(self) -> str | None:
        """Return the fault of a lost certificate of one of the keys, if it is not a CA's; None if there is none."""
        public = {_key_bits(key_pair.public_key_of(one.key)) for one in self.keys}
        for one in self.lost_certificates:
            if _key_bits(_spki(one)) in public and not certificate_der.is_ca(one):
                fault = certificate_faults.find(one)
                if fault:
                    return fault[1]
        return None


def printable(text: str) -> str:
    """Return a friendly name in the form for messages and comparisons: on one line, printable, of limited length."""
    shown = readable(" ".join(text.split()))
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


def refuse_many(number: int, name: str) -> None:
    """Refuse an archive with too many private keys.

    :raises GridSecurityError: ``several_pairs``.
    """
    if number > _MOST_KEYS:
        raise GridSecurityError(
            "several_pairs", f"{name}: it holds {number} private keys. Export only the credential to place."
        )


# --- by cryptography --------------------------------------------------------------------------------------------------


def read(data: bytes, passphrase: bytes | None, pfx: der.Element) -> Opened:
    """Open an archive. cryptography raises errors of many classes, for a wrong passphrase and for any other reason.

    :param pfx: the structure of the same archive, for the friendly name of its key.
    """
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # about BER, which browsers write
        try:
            key, certificates = _read(data, passphrase)
        except TypeError:  # the result has no place for private keys that cannot sign
            key, first, others = pkcs12.load_key_and_certificates(data, passphrase)
            certificates = [(one, "") for one in (first, *others) if one]
    own = [printable(pkcs12_contents.friendly_name(bag)) for bag in structure.key_bags(pfx)]
    keys = [] if key is None else [Key(key, tuple(one for one in own if one))]
    return Opened(keys, _certificates(certificates))


def _read(data: bytes, passphrase: bytes | None) -> tuple[Any, list[tuple[x509.Certificate, str]]]:
    archive = pkcs12.load_pkcs12(data, passphrase)
    found = [one for one in (archive.cert, *archive.additional_certs) if one]
    return archive.key, [(one.certificate, (one.friendly_name or b"").decode(errors="replace")) for one in found]


def _certificates(found: Iterable[tuple[x509.Certificate, str]]) -> dict[x509.Certificate, tuple[str, ...]]:
    known: dict[x509.Certificate, tuple[str, ...]] = {}
    for certificate, name in found:
        known[certificate] = tuple(dict.fromkeys(one for one in (*known.get(certificate, ()), printable(name)) if one))
    return known


def may_hold_more_keys(opened: Opened, pfx: der.Element) -> bool:
    """Return whether an archive may have more private keys than cryptography has returned.

    A second key may be in a part that is encrypted as a whole. To open this part again takes as long as the first time.
    So the part is not opened again if the known certificates leave no room for a key.
    """
    if not opened.keys:
        return False
    if len(list(structure.key_bags(pfx))) != 1:
        return True
    sealed = [content for kind, content in structure.infos(pfx) if kind == structure.ENCRYPTED_DATA]
    beside = any(bag.child(0).oid() == structure.CERTIFICATE_BAG for bag in structure.safe_bags(pfx))
    size = sum(len(content.child(1).child(2).octets()) for content in sealed)
    known = sum(_least(certificate, names) for certificate, names in opened.certificates.items())
    return bool(sealed) and (beside or size - known >= _SMALLEST_KEY)


def _least(certificate: x509.Certificate, names: tuple[str, ...]) -> int:
    """Return the smallest size of a certificate's bag, in bytes."""
    size = len(certificate.public_bytes(Encoding.DER))
    header = len(der.encode(der.OCTET_STRING, bytes(size))) - size
    name = names[0] if len(names) == 1 else ""
    # A shortened name has more bytes in the archive. A name with escaped characters has fewer bytes there.
    attribute = _NAME + 2 * len(name) if name and "\\" not in name else 0
    return size + _HEADERS * header + _CERTIFICATE_OIDS + attribute


# --- by parts ---------------------------------------------------------------------------------------------------------


def from_contents(contents: pkcs12_contents.Contents) -> Opened:
    """Return the parts of an archive that cryptography reads, and the parts that it does not read."""
    keys = [Key(key, names) for key, names in map(_loaded, contents.keys) if key is not None]
    certificates, lost = [], []
    for one in contents.certificates:
        try:
            certificates.append((safe_x509.load(one.data), one.name))
        except safe_x509.CertificateError:
            lost.append(one.data)
    return Opened(keys, _certificates(certificates), contents.count_of_keys() - len(keys), tuple(dict.fromkeys(lost)))


def with_all_keys(opened: Opened, contents: pkcs12_contents.Contents) -> Opened:
    """Return the same archive with all its keys, including the key that cryptography has returned."""
    keys = [Key(key, names) for key, names in map(_loaded, contents.keys) if key is not None]
    known = {key_pair.public_key_of(one.key) for one in keys}
    keys += [one for one in opened.keys if key_pair.public_key_of(one.key) not in known]
    return dataclasses.replace(opened, keys=keys, lost_keys=max(contents.count_of_keys() - len(keys), 0))


def _loaded(found: pkcs12_contents.Item) -> tuple[Any, tuple[str, ...]]:
    """Return a private key and its friendly names; None if cryptography does not read it."""
    shown = printable(found.name)
    try:
        key = private_key_info.load(found.data)
        key_pair.public_key_of(key)
    except Exception:  # pylint: disable=broad-except  # many classes
        return None, ()
    return key, (shown,) if shown else ()


def _spki(certificate: bytes) -> bytes:
    try:
        one = certificate_der.fields(certificate)[certificate_der.KEY]
    except ValueError:
        return b""
    return one.encoded()


def _key_bits(spki: bytes) -> bytes:
    """Return a public key without its AlgorithmIdentifier, which differs between RSA and RSA-PSS."""
    try:
        return der.read(spki).child(1).content
    except der.DerError:
        return spki
