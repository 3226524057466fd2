# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose one pair of private key and certificate from an opened PKCS#12 archive.

Browsers and Java write archives with several pairs. cryptography returns the first key only. So each private key that
shows from outside is opened here by itself, in an archive that holds nothing else.
"""

from __future__ import annotations

import contextlib
import hmac
import warnings as python_warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import (
    certificate_der,
    certificates,
    der,
    kdf,
    keypair,
    names,
    pkcs12_passphrase,
    safe_x509,
)
from ansible_collections.grid.security.plugins.module_utils import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError, readable

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
except ImportError:  # reported by keypair.check_cryptography, which comes first
    pass

__all__ = ["Opened", "choose", "read"]

_MOST_KEYS = 100  # opened in one archive; each takes time
_MOST_LISTED = 10
_LONGEST_NAME = 64  # characters
_FRIENDLY_NAME = "1.2.840.113549.1.9.20"
_CONSTRUCTED_OCTETS = 0x24
_SHA256 = "2.16.840.1.101.3.4.2.1"
_FOR_MAC = 3  # RFC 7292, appendix B.3
_MAC_BYTES = 32
_SALT = bytes(8)  # of an integrity check that protects nothing: the archive never leaves this process


@dataclass(frozen=True)
class Opened:
    """What cryptography reads in an archive.

    :param key: the first private key, if there is one. :param certificates: each with its friendly name, if it has one.
    """

    key: Any
    certificates: list[tuple[x509.Certificate, bytes | None]]


@dataclass(frozen=True)
class _Key:
    key: Any
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Pair:
    """:param names: the friendly names of the certificate and of the private key; programs set one, both or none."""

    key: Any
    certificate: x509.Certificate
    names: tuple[str, ...]


def read(data: bytes, passphrase: bytes | None) -> Opened:
    """Open an archive. cryptography raises errors of many classes, for a wrong passphrase as for any other reason."""
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")  # of BER, which is what browsers write
        try:
            archive = pkcs12.load_pkcs12(data, passphrase)
        except TypeError:  # its result has no place for private keys that cannot sign
            key, certificate, others = pkcs12.load_key_and_certificates(data, passphrase)
            return Opened(key, [(one, None) for one in (certificate, *others) if one])
    found = [one for one in (archive.cert, *archive.additional_certs) if one]
    return Opened(archive.key, [(one.certificate, one.friendly_name) for one in found])


def choose(
    opened: Opened, pfx: der.Element, passphrases: list[bytes | None], *, friendly_name: str | None, name: str
) -> keypair.KeyPair:
    """Return the only pair that is not a CA's, or the pair that ``friendly_name`` chooses.

    :param opened: the result of :func:`read`. :param pfx: the same archive.
    :param passphrases: the encodings of its passphrase. :param name: what messages call the archive.
    :raises GridSecurityError: ``no_private_key``, ``no_certificate``, ``no_such_friendly_name``, ``several_pairs`` or
        ``malformed``.
    """
    bags = [bag for bag in structure.safe_bags(pfx) if bag.child(0).oid() in structure.KEY_BAGS]
    if len(bags) > _MOST_KEYS:
        raise GridSecurityError(
            "several_pairs", f"{name}: it holds {len(bags)} private keys. Export only the one that is to be placed."
        )
    known = _certificates(opened)
    if opened.key is None:
        raise _no_private_key(pfx, len(known), name)
    if not known:
        raise GridSecurityError(
            "no_certificate",
            f"{name}: it holds a private key and no certificate. Export the credential again, together with its"
            " certificate. If the certificate is another file, name that in src, and the private key in PEM in"
            " privatekey_src.",
        )
    keys, unread = _keys(opened, bags, passphrases)
    pairs = _pairs(keys, known)
    if not pairs:
        return keypair.match(opened.key, list(known), name=name)  # which says that none belongs to the key
    pair = _choose(pairs, friendly_name, name)
    return keypair.match(
        pair.key,
        [pair.certificate, *known],
        name=name,
        warnings=_unread(unread, len(keys)),
        friendly_name=next(iter(pair.names), None),
    )


# --- what the archive holds -------------------------------------------------------------------------------------------


def _certificates(opened: Opened) -> dict[x509.Certificate, tuple[str, ...]]:
    """Return the certificates in the order of the archive, each with its friendly names."""
    found: dict[x509.Certificate, tuple[str, ...]] = {}
    for certificate, friendly_name in opened.certificates:
        shown = _printable((friendly_name or b"").decode(errors="replace"))
        found[certificate] = _without_repeats([*found.get(certificate, ()), shown])
    return found


def _keys(opened: Opened, bags: list[der.Element], passphrases: list[bytes | None]) -> tuple[list[_Key], int]:
    """Return the private keys, and how many more cannot be read."""
    if len(bags) < 2:  # it may also lie in a part that is encrypted as a whole
        return [_Key(opened.key, _names_of(bags))], 0
    read = [(_private_key(bag, passphrases), _names_of([bag])) for bag in bags]
    keys = [_Key(key, found) for key, found in read if key is not None]
    return keys, len(read) - len(keys)


def _private_key(bag: der.Element, passphrases: list[bytes | None]) -> Any:
    """Return the private key of one bag, or None if cryptography cannot read it."""
    for passphrase in passphrases:
        with contextlib.suppress(Exception):
            return read(_archive_of(_encoded(bag), passphrase), passphrase).key
    return None


def _archive_of(bag: bytes, passphrase: bytes | None) -> bytes:
    """Return an archive that holds nothing but this SafeBag.

    It has an integrity check, because cryptography before 42 opens no archive without one, and because later versions
    try the two encodings of an empty passphrase on the check only.
    """
    plain = der.read(structure.plain_archive([bag]))
    content = structure.content_of(plain.child(1))
    key = kdf.pkcs12("sha256", pkcs12_passphrase.as_characters(passphrase), _SALT, 1, _FOR_MAC, _MAC_BYTES)
    value = hmac.digest(key, content.octets() if content else b"", "sha256")
    algorithm = der.encode_sequence(der.encode_oid(_SHA256), der.ENCODED_NULL)
    digest = der.encode_sequence(algorithm, der.encode_octet_string(value))
    return der.encode_sequence(plain.content, der.encode_sequence(digest, der.encode_octet_string(_SALT)))


def _encoded(element: der.Element) -> bytes:
    """Encode an element in DER; browsers write indefinite lengths and octet strings in pieces."""
    if element.tag == _CONSTRUCTED_OCTETS:
        return der.encode_octet_string(element.octets())
    content = b"".join(map(_encoded, element.children)) if element.children else element.content
    return der.encode(element.tag, content)


def _names_of(bags: Iterable[der.Element]) -> tuple[str, ...]:
    """Return the friendly names of private keys. An attribute that cannot be read is no reason to fail."""
    found: list[str] = []
    for attribute in (one for bag in bags for part in bag.children[2:] for one in part.children):
        with contextlib.suppress(der.DerError):
            if attribute.child(0).oid() == _FRIENDLY_NAME:
                value = attribute.child(1).child(0).content
                found.append(_printable(value.decode("utf-16-be", errors="replace")))
    return _without_repeats(found)


def _without_repeats(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for one in found if one))


def _printable(text: str) -> str:
    """Return a friendly name as it is shown and compared: on one line, printable, and not longer than a line."""
    shown = readable(" ".join(text.split()))
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


# --- pairs ------------------------------------------------------------------------------------------------------------


def _pairs(keys: list[_Key], known: dict[x509.Certificate, tuple[str, ...]]) -> list[_Pair]:
    """Return each certificate with its private key. They belong together if the public key is the same.

    What the archive itself says about that, in localKeyID, may be missing or wrong.
    """
    by_public_key: dict[bytes, _Key] = {}
    for one in keys:
        public = keypair.public_key_of(one.key)
        repeated = by_public_key.get(public)
        by_public_key[public] = _Key(one.key, _without_repeats([*repeated.names, *one.names])) if repeated else one
    found = []
    for certificate, shown in known.items():
        key = by_public_key.get(keypair.public_key_in(certificate) or b"")
        if key is not None:
            found.append(_Pair(key.key, certificate, _without_repeats([*shown, *key.names])))
    return found


def _choose(pairs: list[_Pair], friendly_name: str | None, name: str) -> _Pair:
    named = [one for one in pairs if not friendly_name or _printable(friendly_name) in one.names]
    if not named:
        raise GridSecurityError(
            "no_such_friendly_name",
            f'{name}: no credential in it has the friendly name "{_printable(friendly_name or "")}". It holds'
            f" {_listed(pairs)}. Correct friendly_name.",
        )
    left = [one for one in named if not _is_ca(one)] or named
    left = list(_newest(left))
    if len(left) > 1:
        raise GridSecurityError(
            "several_pairs",
            f"{name}: it holds {len(left)} private keys with certificates, and the one to place is not clear:"
            f" {_listed(left)}. {_remedy(left)}",
        )
    return left[0]


def _is_ca(pair: _Pair) -> bool:
    return certificate_der.is_ca(pair.certificate.public_bytes(Encoding.DER))


def _newest(pairs: list[_Pair]) -> Iterator[_Pair]:
    """Yield the newest pair of each key and subject: a CA may renew a certificate with the same key."""
    groups: dict[Any, list[_Pair]] = {}
    for one in pairs:
        groups.setdefault((keypair.public_key_of(one.key), _subject(one)), []).append(one)
    for group in groups.values():
        yield max(group, key=lambda one: certificates.start(one.certificate)) if len(group) > 1 else group[0]


def _subject(pair: _Pair) -> Any:
    """Return the subject of a certificate; the certificate itself if it is damaged."""
    try:
        safe_x509.check(pair.certificate)
    except safe_x509.CertificateError:
        return pair.certificate
    return pair.certificate.subject


# --- messages ---------------------------------------------------------------------------------------------------------


def _listed(pairs: list[_Pair]) -> str:
    more = f"; and {len(pairs) - _MOST_LISTED} more" if len(pairs) > _MOST_LISTED else ""
    return "; ".join(map(_described, pairs[:_MOST_LISTED])) + more


def _described(pair: _Pair) -> str:
    shown = f'"{pair.names[0]}"' if pair.names else "(no name)"
    try:
        with safe_x509.explained():
            expiry = f"{certificates.expiry(pair.certificate):%Y-%m-%d}"
            return f"{shown}: {readable(names.slash_form(pair.certificate.subject))[:200]}, valid until {expiry}"
    except safe_x509.CertificateError:
        return f"{shown}: a damaged certificate"


def _remedy(pairs: list[_Pair]) -> str:
    shown = [one.names[0] if one.names else "" for one in pairs]
    unique = [one for one in shown if one and shown.count(one) == 1]
    export = "xport only the one that is to be placed, for example by a browser's backup of a single certificate."
    if not unique:
        return f"Their names are equal or missing, so friendly_name cannot choose among them. E{export}"
    setting = "Set friendly_name to the name of the right one, as it stands between the quotes."
    return setting if len(unique) == len(shown) else f"{setting} If its name is missing or not unique, e{export}"


def _no_private_key(pfx: der.Element, count: int, name: str) -> GridSecurityError:
    secrets = [bag for bag in structure.safe_bags(pfx) if bag.child(0).oid() == structure.SECRET_BAG]
    again = "Export the credential again, together with its private key."
    if count:
        what = f"{count} certificate{'s' if count > 1 else ''} and no private key: it is a truststore, or a CA's chain"
    elif secrets:
        what = "a secret key (Java calls it SecretKeyEntry) and neither a private key nor a certificate"
    else:
        what = "neither a private key nor a certificate"
    return GridSecurityError("no_private_key", f"{name}: it holds {what}. {again}")


def _unread(count: int, others: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count} of its {count + others} private keys cannot be read here and were left out.",)
