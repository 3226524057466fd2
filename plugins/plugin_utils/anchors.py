# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust anchors: from the files of sources to a checked, filtered list of CAs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import (
    anchor_filters,
    anchor_info,
    certificates,
    names,
    pem,
    safe_x509,
    signing_policy,
    times,
)
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import anchor_merging
from ansible_collections.grid.security.plugins.plugin_utils.anchor_sources import Group

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.oid import NameOID
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    pass

__all__ = ["Anchor", "check", "collect", "next_change", "select", "warnings"]

COMPANIONS = ("signing_policy", "namespaces", "info", "crl_url")
_MOST = 10_000  # certificates; IGTF has a hundred, the browsers' programmes together have some thousands
_LONGEST_NAME = 200  # characters of an alias, which becomes the name of a file
_SOON = 30  # days
_WEAK_RSA = 2048  # bits


@dataclass
class Anchor:
    """A CA: its certificate as PEM, and the files beside it by their ending (of :data:`COMPANIONS`).

    :param preferred: whether these files count if another source has other ones.
    :param conflicts: messages about sources that disagree about the files.
    """

    alias: str
    certificate: x509.Certificate
    pem: bytes
    files: dict[str, bytes]
    profiles: set[str]
    where: str
    preferred: bool = False
    conflicts: list[str] = field(default_factory=list)
    subject_dn: str = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.subject_dn = names.slash_form(self.certificate.subject)
        self.fingerprint = self.certificate.fingerprint(hashes.SHA256()).hex(":")

    @property
    def is_root(self) -> bool:
        return self.certificate.issuer == self.certificate.subject


# --- from files to anchors --------------------------------------------------------------------------------------------


def collect(groups: list[Group]) -> list[Anchor]:
    """The anchors of all groups, sorted by alias; the same certificate twice is one.

    :raises GridSecurityError: ``private_key``, ``not_pem``, ``bad_certificate``, ``not_a_ca``, ``same_alias``,
        ``bad_signing_policy`` or ``too_many``.
    """
    copies: dict[str, list[Anchor]] = {}
    for group in groups:
        for anchor in _anchors(group):
            copies.setdefault(anchor.fingerprint, []).append(anchor)
            if len(copies) > _MOST:
                raise GridSecurityError(
                    "too_many",
                    f"{anchor.where}: with it there are more than {_MOST} CAs. Check the sources.",
                )
    found = sorted(map(anchor_merging.merge, copies.values()), key=lambda anchor: anchor.alias)
    for first, second in zip(found, found[1:]):
        if first.alias == second.alias:
            raise GridSecurityError(
                "same_alias",
                f"{first.where} and {second.where} have different certificates for the alias {first.alias}. Exclude one"
                " of the sources, or give one another name.",
            )
    return found


def _anchors(group: Group) -> Iterator[Anchor]:
    for name, data in group.files.items():
        if b"PRIVATE KEY-----" in data:
            raise GridSecurityError(
                "private_key",
                f"{group.where}: {name} holds a private key, which has no place among trust anchors. Remove it from the"
                " source, and consider that key as known to others.",
            )
    named = {data for name, data in group.files.items() if name.endswith((".pem", ".crt"))}
    for name, data in group.files.items():
        stem, _dot, ending = name.rpartition(".")
        if ending in ("pem", "crt") or (ending.isdigit() and data not in named):  # HASH.0 is most often a link
            yield from _read_certificates(group, name, stem, data)


def _read_certificates(group: Group, name: str, stem: str, data: bytes) -> Iterator[Anchor]:
    blocks = [block.text for block in pem.blocks(data) if block.label == "CERTIFICATE"]
    if not blocks or len(blocks) != data.count(b"-----BEGIN CERTIFICATE-----"):
        kind = "is truncated" if b"-----BEGIN CERT" in data else f"is no PEM certificate but {_guess(data)}"
        raise GridSecurityError("not_pem", f"{group.where}: {name} {kind}. Fetch it again.")
    files = {end: group.files[f"{stem}.{end}"] for end in COMPANIONS if f"{stem}.{end}" in group.files}
    info = anchor_info.parse(files.get("info", b""))
    for block in blocks:
        certificate = _load(group, name, block)
        single = len(blocks) == 1
        # Of a bundle, neither the file's name nor the files beside it say anything about one certificate.
        named = (group.alias or info.get("alias") or ("" if stem == "inline" else stem)) if single else ""
        text = data if single and files else certificate.public_bytes(Encoding.PEM)
        alias = _safe(named or _common_name(certificate))
        own = dict(files) if single else {}
        anchor = Anchor(alias, certificate, text, own, _profiles(group, info), f"{group.where}: {name}", group.prefer)
        _add_policy(anchor, group.subjects)
        if group.crl_urls:
            anchor.files.setdefault("crl_url", "".join(f"{url}\n" for url in group.crl_urls).encode())
        yield anchor


def _guess(data: bytes) -> str:
    start = data.lstrip()[:20].lower()
    return "a web page" if start.startswith((b"<!doctype", b"<html")) else "something else"


def _load(group: Group, name: str, block: bytes) -> x509.Certificate:
    try:
        certificate = safe_x509.load(block)
        with safe_x509.explained():
            is_ca = _is_ca(certificate)
    except safe_x509.CertificateError as error:
        raise GridSecurityError(
            "bad_certificate", f"{group.where}: {name} is damaged ({error}). Fetch it again."
        ) from None
    if not is_ca:
        raise GridSecurityError(
            "not_a_ca",
            f"{group.where}: {name} is a certificate of {names.slash_form(certificate.subject)}, which is no CA. Name"
            " the certificate of its issuer.",
        )
    return certificate


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:  # roots of version 1 and some of the nineties
        return certificate.issuer == certificate.subject


def _profiles(group: Group, info: dict[str, str]) -> set[str]:
    """``accredited:classic`` is of the profile classic, ``experimental`` of that; and so is the directory's name."""
    stated = {part.strip().rpartition(":")[2] for part in info.get("status", "").split(",") if part.strip()}
    return stated | ({group.directory} if info else set())


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else names.hashes(certificate.subject)[0]


def _safe(alias: str) -> str:
    """As a file name: IGTF's aliases are of letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", alias[:_LONGEST_NAME]).strip("-.") or "ca"


def _add_policy(anchor: Anchor, subjects: list[str]) -> None:
    try:
        if subjects and "signing_policy" not in anchor.files:
            anchor.files["signing_policy"] = signing_policy.compose(anchor.subject_dn, subjects).encode()
        if "signing_policy" in anchor.files:
            anchor.files["signing_policy"] = signing_policy.complete(anchor.files["signing_policy"])
            signing_policy.check(anchor.files["signing_policy"], anchor.subject_dn)
    except signing_policy.PolicyError as error:
        raise GridSecurityError(
            "bad_signing_policy", f"{anchor.where}: the signing policy of {anchor.alias}: {error}. Correct it."
        ) from None


# --- filters and checks -----------------------------------------------------------------------------------------------


def select(anchors: list[Anchor], options: dict[str, Any]) -> list[Anchor]:
    """The anchors that the options ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` leave.

    The issuers of what is left are kept, too, whatever their profile, unless they are excluded by name.

    :raises GridSecurityError: ``no_such_anchor``: an item of ``include`` is not in the sources.
    """
    for pattern in options["include"]:
        if not any(_matches(anchor, pattern) for anchor in anchors):
            raise GridSecurityError(
                "no_such_anchor", f"include: no source has {pattern}. Give an alias, a DN or a fingerprint."
            )
    allowed = [anchor for anchor in anchors if not any(_matches(anchor, one) for one in options["exclude"])]
    if options["exclude_expired"]:
        allowed = [anchor for anchor in allowed if _days_left(anchor) >= 0]
    chosen = [anchor for anchor in allowed if _is_chosen(anchor, options)]
    return sorted(_with_issuers(chosen, allowed), key=lambda anchor: anchor.alias)


def _is_chosen(anchor: Anchor, options: dict[str, Any]) -> bool:
    in_profile = not options["profiles"] or bool(anchor.profiles & set(options["profiles"]))
    return in_profile and (not options["include"] or any(_matches(anchor, one) for one in options["include"]))


def _matches(anchor: Anchor, pattern: str) -> bool:
    der = anchor.certificate.public_bytes(Encoding.DER)
    return anchor_filters.matches(pattern, anchor.alias, anchor.subject_dn, der)


def _with_issuers(chosen: list[Anchor], allowed: list[Anchor]) -> Iterable[Anchor]:
    """And the issuers of issuers; each name is looked for once."""
    by_subject: dict[x509.Name, list[Anchor]] = {}
    for anchor in allowed:
        by_subject.setdefault(anchor.certificate.subject, []).append(anchor)
    found = {anchor.fingerprint: anchor for anchor in chosen}
    todo = list(chosen)
    while todo:
        anchor = todo.pop()
        for issuer in [] if anchor.is_root else by_subject.pop(anchor.certificate.issuer, []):
            if issuer.fingerprint not in found:
                found[issuer.fingerprint] = issuer
                todo.append(issuer)
    return found.values()


def check(anchors: list[Anchor]) -> None:
    """Check that the sources agree about each CA, and that each chain has its root.

    :raises GridSecurityError: ``two_policies`` or ``missing_issuer``.
    """
    conflicts = [text for anchor in anchors for text in anchor.conflicts]
    if conflicts:
        raise GridSecurityError("two_policies", anchor_merging.explained(conflicts))
    subjects = {anchor.certificate.subject for anchor in anchors}
    missing = [one for one in anchors if not one.is_root and one.certificate.issuer not in subjects]
    if missing:
        named = "; ".join(f"{one.alias} needs {names.slash_form(one.certificate.issuer)}" for one in missing)
        raise GridSecurityError(
            "missing_issuer", f"incomplete chains: {named}. Add the issuer to the sources, or exclude what needs it."
        )


def _days_left(anchor: Anchor) -> int:
    return times.days_until(certificates.expiry(anchor.certificate))


def next_change(anchors: list[Anchor]) -> str | None:
    """When the passing of time alone changes the warnings, or what ``exclude_expired`` leaves: ISO 8601, UTC."""
    ends = [certificates.expiry(one.certificate) for one in anchors]
    moments = [*ends, *(end - datetime.timedelta(days=_SOON) for end in ends)]
    return min((times.iso(one) for one in moments if one > times.now()), default=None)


def warnings(anchors: list[Anchor]) -> list[str]:
    """One line for each kind of weakness, with the aliases of those that have it."""
    kinds = {
        "expired": [one for one in anchors if _days_left(one) < 0],
        f"expire within {_SOON} days": [one for one in anchors if 0 <= _days_left(one) < _SOON],
        "signed with SHA-1": [one for one in anchors if _signed_with_sha1(one)],
        f"RSA keys of fewer than {_WEAK_RSA} bits": [one for one in anchors if _is_weak(one)],
        "no signing policy, so Globus refuses what they sign (state subjects)": [
            one for one in anchors if "signing_policy" not in one.files
        ],
    }
    return [f"trust anchors, {kind}: {', '.join(one.alias for one in found)}" for kind, found in kinds.items() if found]


def _signed_with_sha1(anchor: Anchor) -> bool:
    try:
        with safe_x509.explained():
            return isinstance(anchor.certificate.signature_hash_algorithm, hashes.SHA1)
    except safe_x509.CertificateError:  # of an algorithm that cryptography does not know
        return False


def _is_weak(anchor: Anchor) -> bool:
    try:
        with safe_x509.explained():
            key = anchor.certificate.public_key()
    except safe_x509.CertificateError:
        return False
    return isinstance(key, rsa.RSAPublicKey) and key.key_size < _WEAK_RSA
