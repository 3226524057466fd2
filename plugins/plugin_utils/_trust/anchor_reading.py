# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read CAs from the files of sources. Files that cannot be used are returned, too, each with the reason."""

from __future__ import annotations

import datetime
import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_info
from ansible_collections.grid.security.plugins.module_utils._x509 import ca_certificate, pem, signing_policy
from ansible_collections.grid.security.plugins.module_utils._x509.ca_certificate import CaCertificate
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_merging,
    certificate_files,
    file_formats,
    source_files,
)
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor, Found, Unusable

__all__ = ["collect"]

_MOST = 10_000  # certificates; IGTF has a hundred, the programmes of all browsers together have some thousand
_TOO_LARGE = f"is larger than {source_files.LARGEST >> 20} MiB, so it is no file of a CA. Check the source."
_LONGEST_NAME = 200  # characters of an alias, which becomes the name of a file
_LONGEST_STEM = 120  # characters of an alias before a fingerprint


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
                    f"{group.where}: the sources up to this one have more than {_MOST} CAs. Check the sources.",
                )
    merged = [anchor_merging.merge(same) for same in copies.values()]
    _make_distinct(merged)
    orphans = [orphan for group in groups for orphan in _orphans(group)]
    return Found(sorted(merged, key=lambda anchor: anchor.alias), unusable, orphans)


def _make_distinct(anchors: list[Anchor]) -> None:
    """Give each CA an alias of its own.

    If several CAs have the same alias, the CA whose source gives the alias keeps it; of several such CAs, the oldest.
    So a CA keeps its alias when a newer CA comes. The aliases of the others end in the start of their fingerprint.
    """
    taken = {anchor.alias for anchor in anchors}
    seen = set()
    for anchor in sorted(anchors, key=_precedence):
        if anchor.alias in seen:
            anchor.alias = next(alias for alias in _longer(anchor) if alias not in taken)
            taken.add(anchor.alias)
        seen.add(anchor.alias)


def _precedence(anchor: Anchor) -> tuple[bool, datetime.datetime, str]:
    return not anchor.is_named, anchor.certificate.not_before, anchor.fingerprint


def _longer(anchor: Anchor) -> Iterator[str]:
    digits, stem = anchor.fingerprint.replace(":", ""), anchor.alias[:_LONGEST_STEM]
    yield f"{stem}-{digits[:8]}"
    yield f"{stem}-{digits}"
    yield from (f"{stem}-{digits}-{number}" for number in itertools.count(2))


@dataclass(frozen=True)
class _File:
    """A file with certificates, and the files beside it.

    :param is_single: whether it holds one certificate. The certificates of a bundle get no alias from its name, and no
        files from beside it. They get the profiles of its ``.info`` file.
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
        return self.group.path(self.name)

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

    def unusable(self, error_code: str, cause: str, data: bytes) -> Unusable:
        """Return this file with the cause.

        :param cause: words that follow the file's name. :param data: the certificate, or the file.
        """
        return self.refused(GridSecurityError(error_code, f"{self.where} {cause}"), data)

    def refused(self, error: GridSecurityError, data: bytes) -> Unusable:
        aliases = [alias for alias in (self.group.alias, self.info.get("alias")) if alias]
        stems = {self.stem, *map(_safe, aliases)}
        return Unusable(self.where, stems, data, self.info, _profiles(self.group, self.info), error)


def _read(group: Group) -> Iterator[Anchor | Unusable]:
    """Yield each CA of a group, and each file that cannot be used."""
    with_key = [name for name, data in group.files.items() if pem.holds_private_key(data)]
    stems = {name.rpartition(".")[0] for name in with_key}
    for name in with_key:
        yield from _refuse_key(group, name)
    for name in certificate_files.ca_files(group.files):
        if name.rpartition(".")[0] not in stems:
            yield from _read_file(group, name)


def _orphans(group: Group) -> Iterator[Unusable]:
    """Yield the files that should lie beside a certificate, and do not."""
    for name in certificate_files.orphans(group.files):
        file = _File(group, name, is_single=True)
        yield file.unusable("no_certificate", "has no certificate of the same name beside it.", file.data)


def _refuse_key(group: Group, name: str) -> Iterator[Unusable]:
    certificates, _problem = _certificates(group.files[name])
    file = _File(group, name, is_single=len(certificates) == 1)
    cause = (
        "holds a private key, which does not belong among trust anchors. Remove it from the source, and treat that key"
        " as compromised."
    )
    contents = [certificate.der for certificate in certificates] or [file.data]
    yield from (file.unusable("private_key", cause, content) for content in contents)


def _certificates(data: bytes) -> tuple[list[certificate_files.Certificate], str]:
    """Return the certificates of a file, and what is wrong with the rest of it, in words that follow its name."""
    try:
        return certificate_files.read(data), ""
    except GridSecurityError as error:
        return certificate_files.complete(data), error.message


def _read_file(group: Group, name: str) -> Iterator[Anchor | Unusable]:
    data = group.files[name]
    if len(data) > source_files.LARGEST:
        cause = file_formats.recognize(data) or _TOO_LARGE
        yield _File(group, name, is_single=False).unusable("too_large", cause, data)
        return
    certificates, problem = _certificates(data)
    file = _File(group, name, is_single=len(certificates) == 1 and not problem)
    if problem:
        yield file.unusable("not_pem", problem, data)
    for certificate in certificates:
        yield _read_certificate(file, certificate.der, certificate.text)


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
    """Return whether Python's OpenSSL reads a certificate. Most clients use OpenSSL."""
    # The import is slow, and most sources have no CA that cryptography refuses.
    # pylint: disable-next=import-outside-toplevel
    import ssl

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=data)
    except ssl.SSLError:
        return False
    return True


def _anchor(file: _File, certificate: CaCertificate, text: bytes) -> Anchor:
    group, own = file.group, dict(file.beside) if file.is_single else {}
    for ending, content in own.items():
        if len(content) > source_files.LARGEST:
            raise GridSecurityError("too_large", f"{group.path(f'{file.stem}.{ending}')} {_TOO_LARGE}")
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
    """Return the profiles of a CA: those in its ``.info`` file, and the name of its directory.

    ``accredited:classic`` in the file means the profile ``classic``, and ``experimental`` means ``experimental``.
    """
    stated = {part.strip().rpartition(":")[2] for part in info.get("status", "").split(",") if part.strip()}
    return stated | ({group.directory} if info else set())


def _safe(alias: str) -> str:
    """Return an alias as a file name. IGTF's aliases have letters, digits, dots, hyphens and underscores."""
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
