# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust anchors: from the files of sources to a checked, filtered list of CAs."""

from __future__ import annotations

import datetime
import functools
import itertools
import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import (
    anchor_filters,
    anchor_info,
    ca_certificate,
    listing,
    names,
    safe_x509,
    scanning,
    signing_policy,
    times,
)
from ansible_collections.grid.security.plugins.module_utils.ca_certificate import CaCertificate
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import anchor_merging, certificate_files, source_files
from ansible_collections.grid.security.plugins.plugin_utils.anchor_sources import Group

try:
    from cryptography import x509
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    pass

__all__ = [
    "Anchor",
    "Found",
    "Unusable",
    "check",
    "collect",
    "is_wanted",
    "keep_complete",
    "next_change",
    "refuse",
    "select",
    "warnings",
]

_MOST = 10_000  # certificates; IGTF has a hundred, the browsers' programmes together have some thousands
_LONGEST_NAME = 200  # characters of an alias, which becomes the name of a file
_LONGEST_STEM = 120  # characters of an alias before a fingerprint
_SOON = 30  # days
_WEAK_RSA = 2048  # bits
_FORGEABLE = ("MD2", "MD4", "MD5")
_NOT_ACCREDITED = ("discontinued", "experimental", "unaccredited", "worthless")  # as IGTF's .info files say


@dataclass
class Anchor:
    """A CA: its certificate as PEM, and the files beside it by their ending (of :data:`source_files.COMPANIONS`).

    :param is_named: whether the source gives the alias. Otherwise the alias is the common name.
    :param preferred: whether these files count if another source has other ones.
    :param conflicts: messages about sources that disagree about the files.
    """

    alias: str
    certificate: CaCertificate
    pem: bytes
    files: dict[str, bytes]
    profiles: set[str]
    where: str
    is_named: bool = True
    preferred: bool = False
    conflicts: list[str] = field(default_factory=list)
    name: str = field(init=False)  # the alias before it was made distinct from those of other CAs
    subject_dn: str = field(init=False)
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.alias
        self.subject_dn = self.certificate.subject_dn
        self.fingerprint = self.certificate.fingerprint

    @property
    def is_root(self) -> bool:
        return self.certificate.is_self_issued

    @functools.cached_property
    def problem(self) -> str:
        """Why the library cryptography cannot use the certificate; an empty string if it can."""
        try:
            with safe_x509.explained():
                certificate = x509.load_der_x509_certificate(self.certificate.der)
                safe_x509.check(certificate)
                list(certificate.extensions)
                certificate.public_key()
        except safe_x509.CertificateError as error:
            return self.certificate.oddity or str(error)
        return ""

    def matches(self, pattern: str) -> bool:
        """Return whether a filter names this CA. The alias that it shares with other CAs names all of them."""
        aliases = {self.alias, self.name}
        return any(anchor_filters.matches(pattern, one, self.subject_dn, self.certificate.der) for one in aliases)


@dataclass
class Unusable:
    """A file of a source, or one certificate of a bundle, that no anchor is made of.

    :param names: the aliases by which filters name it. :param data: the certificate (DER), or the file.
    :param info: of its ``.info`` file. :param error: why it cannot be used.
    """

    names: set[str]
    data: bytes
    info: dict[str, str]
    profiles: set[str]
    error: GridSecurityError

    @functools.cached_property
    def certificate(self) -> CaCertificate | None:
        """The certificate, if that is not what is wrong."""
        try:
            return ca_certificate.read(self.data)
        except ca_certificate.UnreadableError:
            return None

    @functools.cached_property
    def subject(self) -> bytes | None:
        """The subject in DER, if it can be read."""
        return ca_certificate.subject(self.data)

    @property
    def subject_dn(self) -> str | None:
        """The subject; what the ``.info`` file says if it cannot be read."""
        if self.subject is not None:
            return names.der_slash_form(self.subject)
        return self.info.get("subjectdn", "").strip('"') or None

    def matches(self, pattern: str) -> bool:
        """Return whether a filter names it, as far as it is known."""
        stated = [one.replace(":", "").lower() for key, one in self.info.items() if key.partition(".")[0] == "sha1fp"]
        if pattern.replace(":", "").lower() in stated:
            return True
        return any(anchor_filters.matches(pattern, one, self.subject_dn, self.data) for one in self.names)


@dataclass(frozen=True)
class Found:
    """What the sources hold."""

    anchors: list[Anchor]
    unusable: list[Unusable]


# --- from files to anchors --------------------------------------------------------------------------------------------


def collect(groups: list[Group]) -> Found:
    """Read the CAs of all groups, sorted by alias. The same certificate twice is one CA.

    :raises GridSecurityError: ``too_many``.
    """
    copies: dict[str, list[Anchor]] = {}
    unusable: list[Unusable] = []
    for group in groups:
        for anchor in _read(group):
            if isinstance(anchor, Unusable):
                unusable.append(anchor)
            else:
                copies.setdefault(anchor.fingerprint, []).append(anchor)
            if len(copies) + len(unusable) > _MOST:
                raise GridSecurityError(
                    "too_many",
                    f"{group.where}: with it there are more than {_MOST} CAs. Check the sources.",
                )
    merged = [anchor_merging.merge(same) for same in copies.values()]
    _make_distinct(merged)
    return Found(sorted(merged, key=lambda anchor: anchor.alias), unusable)


def _make_distinct(anchors: list[Anchor]) -> None:
    """Give each CA an alias of its own.

    If several CAs have one alias, a CA whose source gives the alias keeps it, and of several such CAs the oldest. So a
    CA keeps its alias when a newer CA comes. The aliases of the others end in the start of their fingerprint.
    """
    taken = {anchor.alias for anchor in anchors}
    seen = set()
    for anchor in sorted(anchors, key=lambda one: (not one.is_named, one.certificate.not_before, one.fingerprint)):
        if anchor.alias in seen:
            anchor.alias = next(one for one in _longer(anchor) if one not in taken)
            taken.add(anchor.alias)
        seen.add(anchor.alias)


def _longer(anchor: Anchor) -> Iterator[str]:
    digits, stem = anchor.fingerprint.replace(":", ""), anchor.alias[:_LONGEST_STEM]
    yield f"{stem}-{digits[:8]}"
    yield f"{stem}-{digits}"
    yield from (f"{stem}-{digits}-{number}" for number in itertools.count(2))


@dataclass(frozen=True)
class _File:
    """A file with certificates, and the files beside it.

    :param is_single: whether it holds one certificate. Of a bundle, neither the file's name nor the files beside it say
        anything about one certificate.
    """

    group: Group
    name: str
    is_single: bool

    @property
    def stem(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def data(self) -> bytes:
        return self.group.files[self.name]

    @property
    def where(self) -> str:
        return f"{self.group.where}: {self.name}"

    @functools.cached_property
    def beside(self) -> dict[str, bytes]:
        named = {end: f"{self.stem}.{end}" for end in source_files.COMPANIONS}
        return {end: self.group.files[name] for end, name in named.items() if name in self.group.files}

    @functools.cached_property
    def info(self) -> dict[str, str]:
        return anchor_info.parse(self.beside.get("info", b""))

    @property
    def alias(self) -> str:
        """The alias that the source gives, or an empty string."""
        stated = self.group.alias or self.info.get("alias") or ("" if self.stem == "inline" else self.stem)
        return stated if self.is_single else ""

    def unusable(self, kind: str, cause: str, data: bytes) -> Unusable:
        """:param cause: behind the file's name. :param data: the certificate, or the file."""
        return self.refused(GridSecurityError(kind, f"{self.where} {cause}"), data)

    def refused(self, error: GridSecurityError, data: bytes) -> Unusable:
        aliases = [one for one in (self.group.alias, self.info.get("alias")) if one]
        return Unusable({self.stem, *map(_safe, aliases)}, data, self.info, _profiles(self.group, self.info), error)


def _read(group: Group) -> Iterator[Anchor | Unusable]:
    """Yield each CA of a group, and what cannot be used."""
    with_key = [name for name, data in group.files.items() if scanning.holds_private_key(data)]
    stems = {name.rpartition(".")[0] for name in with_key}
    for name in with_key:
        yield from _refuse_key(group, name)
    for name in certificate_files.ca_files(group.files):
        if name.rpartition(".")[0] not in stems:
            yield from _read_file(group, name)


def _refuse_key(group: Group, name: str) -> Iterator[Unusable]:
    certificates, _problem = _certificates(group.files[name])
    file = _File(group, name, is_single=len(certificates) == 1)
    cause = (
        "holds a private key, which has no place among trust anchors. Remove it from the source, and consider that key"
        " as known to others."
    )
    yield from (file.unusable("private_key", cause, one) for one in [one.der for one in certificates] or [file.data])


def _certificates(data: bytes) -> tuple[list[certificate_files.Certificate], str]:
    """Return the certificates of a file, and what is wrong with the rest of it: words that fit behind its name."""
    try:
        return certificate_files.read(data), ""
    except GridSecurityError as error:
        return certificate_files.complete(data), error.message


def _read_file(group: Group, name: str) -> Iterator[Anchor | Unusable]:
    certificates, problem = _certificates(group.files[name])
    file = _File(group, name, is_single=len(certificates) == 1 and not problem)
    if problem:
        yield file.unusable("not_pem", problem, file.data)
    for one in certificates:
        yield _read_certificate(file, one.der, one.text)


def _read_certificate(file: _File, data: bytes, text: bytes) -> Anchor | Unusable:
    try:
        certificate = ca_certificate.read(data)
    except ca_certificate.UnreadableError as error:
        return file.unusable("bad_certificate", f"is damaged ({error}). Fetch it again.", data)
    if not certificate.is_ca:
        cause = f"is a certificate of {certificate.subject_dn}, which is no CA. Name the certificate of its issuer."
        return file.unusable("not_a_ca", cause, data)
    try:
        anchor = _anchor(file, certificate, text)
    except GridSecurityError as error:
        return file.refused(error, data)
    if anchor.problem and not _is_read_by_openssl(certificate.der):
        return file.unusable("bad_certificate", f"is damaged ({anchor.problem}). Fetch it again.", data)
    return anchor


def _is_read_by_openssl(data: bytes) -> bool:
    """Return whether OpenSSL, which Python brings, reads a certificate. It decides what clients can use."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data)
    except ssl.SSLError:
        return False
    return True


def _anchor(file: _File, certificate: CaCertificate, text: bytes) -> Anchor:
    group, own = file.group, dict(file.beside) if file.is_single else {}
    alias = _safe(file.alias or certificate.common_name or certificate.hashes[0])
    profiles = _profiles(group, file.info)
    anchor = Anchor(
        alias, certificate, text if own else certificate.pem, own, profiles, file.where, bool(file.alias), group.prefer
    )
    _add_policy(anchor, group.subjects)
    if group.crl_urls:
        anchor.files.setdefault("crl_url", "".join(f"{url}\n" for url in group.crl_urls).encode())
    return anchor


def _profiles(group: Group, info: dict[str, str]) -> set[str]:
    """``accredited:classic`` is of the profile classic, ``experimental`` of that; and so is the directory's name."""
    stated = {part.strip().rpartition(":")[2] for part in info.get("status", "").split(",") if part.strip()}
    return stated | ({group.directory} if info else set())


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


def refuse(unusable: list[Unusable], options: dict[str, Any]) -> list[str]:
    """Return a warning about the files that cannot be used, if the option ``on_unreadable`` is ``skip``.

    What the options ``profiles``, ``include`` and ``exclude`` leave out is no reason for a message.

    :raises GridSecurityError: ``unusable_anchors``; or, if all have the same cause, ``private_key``, ``not_pem``,
        ``bad_certificate``, ``not_a_ca`` or ``bad_signing_policy``.
    """
    wanted = {one.error.message: one for one in unusable if is_wanted(one, options)}
    if not wanted:
        return []
    if options["on_unreadable"] == "skip":
        return [
            listing.lines("trust anchors, left out because they cannot be used (on_unreadable: skip)", list(wanted))
        ]
    kinds = {one.error.kind for one in wanted.values()}
    aliases = listing.listed(sorted({min(one.names) for one in wanted.values()}))
    told = next(iter(wanted))
    if len(wanted) > 1:
        told = listing.lines("the sources have files that cannot be used", list(wanted))
    raise GridSecurityError(
        kinds.pop() if len(kinds) == 1 else "unusable_anchors",
        f"{told}\nTo place the other CAs, name {aliases} in exclude, or set on_unreadable: skip.",
    )


def select(anchors: list[Anchor], options: dict[str, Any], unusable: Iterable[Unusable] = ()) -> list[Anchor]:
    """The anchors that the options ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` leave.

    The issuers of what is left are kept, too, whatever their profile, unless they are excluded by name.

    :param unusable: what ``include`` may name without an error, because :func:`refuse` has told it.
    :raises GridSecurityError: ``no_such_anchor``: an item of ``include`` is not in the sources.
    """
    known: list[Anchor | Unusable] = [*anchors, *unusable]
    for pattern in options["include"]:
        if not any(one.matches(pattern) for one in known):
            raise GridSecurityError(
                "no_such_anchor", f"include: no source has {pattern}. Give an alias, a DN or a fingerprint."
            )
    allowed = [anchor for anchor in anchors if not _is_excluded(anchor, options)]
    chosen = [anchor for anchor in allowed if is_wanted(anchor, options)]
    return sorted(_with_issuers(chosen, allowed), key=lambda anchor: anchor.alias)


def _is_excluded(one: Anchor | Unusable, options: dict[str, Any]) -> bool:
    if options["exclude_expired"] and one.certificate and times.days_until(one.certificate.not_after) < 0:
        return True
    return any(one.matches(pattern) for pattern in options["exclude"])


def is_wanted(one: Anchor | Unusable, options: dict[str, Any]) -> bool:
    """Return whether the options ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` leave this CA."""
    if options["profiles"] and not one.profiles & set(options["profiles"]):
        return False
    if options["include"] and not any(one.matches(pattern) for pattern in options["include"]):
        return False
    return not _is_excluded(one, options)


def _with_issuers(chosen: list[Anchor], allowed: list[Anchor]) -> Iterable[Anchor]:
    """And the issuers of issuers; each name is looked for once."""
    by_subject: dict[bytes, list[Anchor]] = {}
    for anchor in allowed:
        by_subject.setdefault(anchor.certificate.canonical_subject, []).append(anchor)
    found = {anchor.fingerprint: anchor for anchor in chosen}
    todo = list(chosen)
    while todo:
        anchor = todo.pop()
        for issuer in [] if anchor.is_root else by_subject.pop(anchor.certificate.canonical_issuer, []):
            if issuer.fingerprint not in found:
                found[issuer.fingerprint] = issuer
                todo.append(issuer)
    return found.values()


def check(anchors: list[Anchor], unusable: Iterable[Unusable] = ()) -> None:
    """Check that the sources agree about each CA, and that each chain has its root.

    :param unusable: may explain what is missing.
    :raises GridSecurityError: ``two_policies`` or ``missing_issuer``.
    """
    conflicts = [text for anchor in anchors for text in anchor.conflicts]
    if conflicts:
        raise GridSecurityError("two_policies", anchor_merging.explained(conflicts))
    missing = _incomplete(anchors)
    if missing:
        raise GridSecurityError(
            "missing_issuer",
            f"incomplete chains: {_needs(missing, unusable)}. Add the issuer to the sources, or exclude what needs it.",
        )


def keep_complete(anchors: list[Anchor], unusable: Iterable[Unusable]) -> tuple[list[Anchor], list[str]]:
    """Return the CAs whose chain reaches its root, and a warning about the other CAs.

    :param unusable: may explain what is missing.
    """
    left_out: list[Anchor] = []
    while missing := _incomplete(anchors):
        left_out += missing
        gone = {one.fingerprint for one in missing}
        anchors = [one for one in anchors if one.fingerprint not in gone]
    needs = _needs(left_out, unusable)
    return anchors, [f"trust anchors, left out because of incomplete chains: {needs}"] if left_out else []


def _incomplete(anchors: list[Anchor]) -> list[Anchor]:
    subjects = {anchor.certificate.canonical_subject for anchor in anchors}
    return [one for one in anchors if not one.is_root and one.certificate.canonical_issuer not in subjects]


def _needs(missing: list[Anchor], unusable: Iterable[Unusable]) -> str:
    causes = {one.subject_dn: one.error.message for one in unusable}
    return "; ".join(_need(one, causes.get(one.certificate.issuer_dn)) for one in missing)


def _need(anchor: Anchor, cause: str | None) -> str:
    return f"{anchor.alias} needs {anchor.certificate.issuer_dn}" + (f" ({cause.rstrip('.')})" if cause else "")


def _days_left(anchor: Anchor) -> int:
    return times.days_until(anchor.certificate.not_after)


def next_change(anchors: list[Anchor]) -> str | None:
    """When the passing of time alone changes the warnings, or what ``exclude_expired`` leaves: ISO 8601, UTC."""
    ends = [one.certificate.not_after for one in anchors if one.certificate.not_after > times.now()]
    moments = [*ends, *(end - datetime.timedelta(days=_SOON) for end in ends)]
    return min((times.iso(one) for one in moments if one > times.now()), default=None)


def warnings(anchors: list[Anchor], profiles: Iterable[str] = ()) -> list[str]:
    """Return one line for each kind of weakness, with the aliases of the CAs that have it.

    :param profiles: that are asked for.
    """
    kinds = {
        "expired": [one for one in anchors if _days_left(one) < 0],
        f"expire within {_SOON} days": [one for one in anchors if 0 <= _days_left(one) < _SOON],
        "signed with SHA-1": _signed_with(anchors, "SHA-1"),
        **{f"signed with {one}, which others can forge": _signed_with(anchors, one) for one in _FORGEABLE},
        f"RSA keys of fewer than {_WEAK_RSA} bits": [one for one in anchors if _is_weak(one)],
        **{
            f"called {status} by their distribution (exclude them, or name {status} in profiles)": [
                one for one in anchors if status in one.profiles
            ]
            for status in _NOT_ACCREDITED
            if status not in profiles
        },
        "no signing policy, so Globus refuses what they sign (state subjects)": [
            one for one in anchors if "signing_policy" not in one.files
        ],
    }
    lines = {kind: ", ".join(one.alias for one in found) for kind, found in kinds.items() if found}
    return [f"trust anchors, {kind}: {found}" for kind, found in lines.items()] + list(_unchecked(anchors))


def _signed_with(anchors: list[Anchor], digest: str) -> list[Anchor]:
    """Return the CAs that others signed with this digest. Nobody checks the signature of a root."""
    return [one for one in anchors if one.certificate.weak_digest == digest and not one.is_root]


def _is_weak(anchor: Anchor) -> bool:
    return (anchor.certificate.rsa_bits or _WEAK_RSA) < _WEAK_RSA


def _unchecked(anchors: list[Anchor]) -> Iterator[str]:
    found = [f"{one.alias} ({one.problem})" for one in anchors if one.problem]
    if found:
        yield (
            "trust anchors, placed although the library cryptography cannot read them, so that their public keys and"
            " extensions other than basicConstraints were not checked, and credentials that they issued do not pass the"
            f" check of the chain: {', '.join(found)}"
        )
