# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose a pair of private key and certificate from an opened PKCS#12 archive.

Browsers and Java write archives with several pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError, readable
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._credential.pkcs12_opened import Key, Opened, printable
from ansible_collections.grid.security.plugins.module_utils._x509 import (
    certificate_der,
    certificates,
    der,
    distinguished_name,
    key_pair,
    safe_x509,
)

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["choose", "has_pairs"]

_MOST_LISTED = 10


@dataclass(frozen=True)
class _Pair:
    """Hold a pair.

    :param names: the friendly names of the certificate and of the private key. Programs set one name, both or none.
    """

    key: Any
    certificate: x509.Certificate
    names: tuple[str, ...]


def choose(opened: Opened, pfx: der.Element, *, friendly_name: str | None, name: str) -> key_pair.KeyPair:
    """Return the only pair that is not a CA's, or the pair that ``friendly_name`` chooses.

    :param pfx: the structure of the opened archive. :param name: the archive's name in messages.
    :raises GridSecurityError: ``no_private_key``, ``no_certificate``, ``no_such_friendly_name``, ``several_pairs`` or
        ``malformed``.
    """
    if not opened.keys:
        raise _no_private_key(pfx, len(opened.certificates), name)
    if not opened.certificates:
        raise _no_certificate(name)
    pairs = _pairs(opened)
    if not pairs:
        return key_pair.match(opened.keys[0].key, list(opened.certificates), name=name)  # raises no_certificate
    fault = None if friendly_name else opened.fault_of_a_pair()
    if fault:  # the user may want this pair
        raise GridSecurityError("malformed", f"{name}: {fault}")
    pair = _choose(pairs, friendly_name, opened.warnings, name)
    return key_pair.match(
        pair.key,
        [pair.certificate, *opened.certificates],
        name=name,
        warnings=opened.warnings,
        friendly_name=next(iter(pair.names), None),
    )


def has_pairs(opened: Opened) -> bool:
    """Return whether the archive has the certificate of one of its private keys."""
    return bool(_pairs(opened))


# --- pairs ------------------------------------------------------------------------------------------------------------


def _pairs(opened: Opened) -> list[_Pair]:
    """Return each certificate with its private key. They belong together if the public key is the same.

    The attribute localKeyID of the archive may be missing or wrong, so it is not used.
    """
    by_public_key: dict[bytes, Key] = {}
    for one in opened.keys:
        public = key_pair.public_key_of(one.key)
        repeated = by_public_key.get(public)
        by_public_key[public] = Key(one.key, _without_repeats([*repeated.names, *one.names])) if repeated else one
    found = []
    for certificate, shown in opened.certificates.items():
        key = by_public_key.get(key_pair.public_key_in(certificate) or b"")
        if key is not None:
            found.append(_Pair(key.key, certificate, _without_repeats([*shown, *key.names])))
    return found


def _without_repeats(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _choose(pairs: list[_Pair], friendly_name: str | None, warnings: tuple[str, ...], name: str) -> _Pair:
    named = [one for one in pairs if not friendly_name or printable(friendly_name) in one.names]
    if not named:
        raise GridSecurityError(
            "no_such_friendly_name",
            f'{name}: no credential in it has the friendly name "{printable(friendly_name or "")}". It holds'
            f" {_listed(pairs)}. Correct friendly_name." + "".join(f" Note: {one}" for one in warnings),
        )
    left = [one for one in named if not _is_ca(one)] or named
    left = list(_newest(left))
    if len(left) > 1:
        raise GridSecurityError(
            "several_pairs",
            f"{name}: it holds {len(left)} private keys with certificates, and it is not clear which pair to place:"
            f" {_listed(left)}. {_remedy(left)}",
        )
    return left[0]


def _is_ca(pair: _Pair) -> bool:
    return certificate_der.is_ca(pair.certificate.public_bytes(Encoding.DER))


def _newest(pairs: list[_Pair]) -> Iterator[_Pair]:
    """Yield the newest pair of each key and subject: a CA may renew a certificate with the same key."""
    groups: dict[Any, list[_Pair]] = {}
    for one in pairs:
        groups.setdefault((key_pair.public_key_of(one.key), _subject(one)), []).append(one)
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
            subject = readable(distinguished_name.one_line(pair.certificate.subject))
            return f"{shown}: {subject[:200]}, valid until {expiry}"
    except safe_x509.CertificateError:
        return f"{shown}: a damaged certificate"


def _remedy(pairs: list[_Pair]) -> str:
    shown = [one.names[0] if one.names else "" for one in pairs]
    unique = [one for one in shown if one and shown.count(one) == 1]
    export = "xport only the credential to place, for example by a browser's backup of a single certificate."
    if not unique:
        return f"Their names are equal or missing, so friendly_name cannot choose among them. E{export}"
    setting = "Set friendly_name to the name of the right pair, as shown between the quotes."
    return setting if len(unique) == len(shown) else f"{setting} If its name is missing or not unique, e{export}"


def _no_certificate(name: str) -> GridSecurityError:
    return GridSecurityError(
        "no_certificate",
        f"{name}: it holds a private key and no certificate. Export the credential again, together with its"
        " certificate. If the certificate is in another file, name this file in src, and the private key in PEM in"
        " privatekey_src.",
    )


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
