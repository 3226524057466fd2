# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the CRL distribution points of CAs, and check the CRLs that are fetched from there."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_info
from ansible_collections.grid.security.plugins.module_utils._x509 import crl, distinguished_name, safe_x509
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor
from ansible_collections.grid.security.plugins.plugin_utils._trust.bounded_fetch import FetchError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_der_public_key,
        load_pem_public_key,
    )
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    pass

__all__ = ["DistributionPoint", "check", "distribution_points", "obtain"]


@dataclass(frozen=True)
class DistributionPoint:
    """A CRL distribution point of a CA.

    :param subject: the canonical encoding of the CA's name, in hexadecimal. :param urls: all have the same CRL.
    :param keys: the public keys, in PEM, of all CAs of that name. Any of them may have signed the CRL.
    :param files: the names of the CRL in a trust directory, one for each kind of hash.
    """

    alias: str
    subject_dn: str
    subject: str
    urls: list[str]
    keys: list[str]
    files: list[str]


def distribution_points(anchors: list[Anchor]) -> list[DistributionPoint]:
    """Return the distribution points of all CAs. File names are numbered in the order of the trust directory."""
    used: dict[str, int] = {}
    named = {anchor.fingerprint: _name(anchor) for anchor in anchors}
    keys: dict[str, dict[str, None]] = {}
    for anchor in anchors:
        keys.setdefault(named[anchor.fingerprint], {}).update(dict.fromkeys(_keys(anchor)))
    found = []
    for anchor, urls in _announced(sorted(anchors, key=lambda anchor: anchor.fingerprint), named):
        digests = dict.fromkeys(anchor.certificate.hashes)
        files = [f"{digest}.r{used.get(digest, 0)}" for digest in digests]
        used.update({digest: used.get(digest, 0) + 1 for digest in digests})
        name = named[anchor.fingerprint]
        found.append(DistributionPoint(anchor.alias, anchor.subject_dn, name, urls, list(keys[name]), files))
    return sorted(found, key=lambda point: (point.alias, point.files))


def _announced(anchors: list[Anchor], named: dict[str, str]) -> Iterator[tuple[Anchor, list[str]]]:
    """Yield each CA with the URLs of each of its CRLs.

    Both certificates of a CA with a renewed certificate announce the same CRL. It is one distribution point.
    """
    seen = set()
    for anchor in anchors:
        for urls in anchor_info.crl_urls(anchor.files.get("info", b""), anchor.files.get("crl_url", b"")):
            announced = (named[anchor.fingerprint], tuple(urls))
            if announced not in seen:
                seen.add(announced)
                yield anchor, urls


def _name(anchor: Anchor) -> str:
    return anchor.certificate.canonical_subject.hex()


def _keys(anchor: Anchor) -> Iterator[str]:
    """Yield the CA's public key, unless cryptography does not know its type."""
    with contextlib.suppress(safe_x509.CertificateError), safe_x509.explained():
        key = load_der_public_key(anchor.certificate.public_key)
        yield key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def obtain(point: DistributionPoint, fetch: Callable[[str], bytes], now: datetime.datetime) -> dict[str, Any]:
    """Return ``pem``, ``url`` and ``crl`` (facts) of the CRL from the first URL with a good CRL, or ``causes``.

    Each cause is a pair of a URL and its error.

    :param fetch: returns the answer of a URL, or raises a :exc:`FetchError`.
    """
    causes = []
    for url in point.urls:
        try:
            found = check(fetch(url), point, now)
        except (FetchError, crl.CrlError) as error:
            causes.append((url, str(error)))
            continue
        return {"pem": found.pem.decode(), "url": url, "crl": crl.facts(found), "causes": []}
    return {"pem": None, "url": None, "crl": None, "causes": causes}


def check(data: bytes, point: DistributionPoint, now: datetime.datetime) -> crl.Crl:
    """Return a CRL that clients accept for this CA now.

    :raises CrlError: it is no CRL, or not by this CA, not valid now, or not complete.
    """
    found = crl.read(data)
    if distinguished_name.canonical(found.issuer).hex() != point.subject:
        raise crl.CrlError(f"is a CRL of {distinguished_name.der_one_line(found.issuer)}, which is another CA")
    if found.is_delta:
        raise crl.CrlError("is a delta CRL, which clients do not accept in place of a complete CRL")
    _check_signature(found, point)
    _check_times(found, now)
    return found


def _check_signature(found: crl.Crl, point: DistributionPoint) -> None:
    if not point.keys:
        raise crl.CrlError("has a signature that cannot be checked (the CA's key is of an unknown type)")
    try:
        with safe_x509.explained():
            parsed = x509.load_der_x509_crl(found.der)
            keys = [load_pem_public_key(key.encode()) for key in point.keys]
            good = any(parsed.is_signature_valid(key) for key in keys)  # type: ignore[arg-type]
    except safe_x509.CertificateError as error:
        raise crl.CrlError(f"has a signature that cannot be checked ({error})") from error
    if not good:
        raise crl.CrlError("has a signature that is not by this CA's key, so it was changed or is of another CA")


def _check_times(found: crl.Crl, now: datetime.datetime) -> None:
    if found.this_update > now:
        raise crl.CrlError(f"is not valid before {times.iso(found.this_update)}, or this controller's clock is wrong")
    if found.next_update is None:
        raise crl.CrlError("has no time of the next CRL, so nobody can tell when it is stale")
    if found.next_update <= now:
        raise crl.CrlError(f"expired on {times.iso(found.next_update)}")
