# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Report the state of the CRLs in a trust directory, as clients see them. No signature is checked."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import option_paths, times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError, readable
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters, anchor_info
from ansible_collections.grid.security.plugins.module_utils._trust.anchor_filters import Exclusion
from ansible_collections.grid.security.plugins.module_utils._x509 import crl, der, distinguished_name, pem

__all__ = ["STATES", "crls", "judge", "survey", "warnings"]

_LARGEST_COMPANION = 1 << 20  # bytes of a certificate, .info or .crl_url
_MOST_FILES = 20_000  # in the directory; the IGTF's set with its CRLs has less than two thousand
_MOST_BYTES = 1 << 30  # that are read of all files together
_CRL_NAME = re.compile(r"[0-9a-f]{8}\.r[0-9]+")
_WRONG_DIRECTORY = "Check whether it is the right directory."
_ENDINGS = (".pem", ".0", ".crt")  # of a CA's certificate beside its .info or .crl_url
# Best first. With the last ones, clients refuse all certificates of the CA.
STATES = ["fresh", "expiring", "missing", "damaged", "not_yet_valid", "expired"]


@dataclass(frozen=True)
class Found:
    """A CRL file.

    :param crl: its content without the DER; None if it is damaged. :param cause: what is damaged.
    """

    path: str
    state: str
    sha256: str = ""
    crl: crl.Crl | None = None
    cause: str = ""

    @property
    def rank(self) -> tuple[int, float]:
        """A lower rank is better. Files are ranked by state, and files with the same state by the end of validity."""
        end = self.crl.next_update if self.crl else None
        return STATES.index(self.state), -end.timestamp() if end else 0.0


@dataclass(frozen=True)
class Ca:
    """A CA with a CRL URL.

    :param subject: the DER of its name; None if its certificate is damaged. :param certificate: DER, or empty.
    """

    alias: str
    subject: bytes | None
    certificate: bytes

    @property
    def dn(self) -> str | None:
        """The name as an OpenSSL one-line DN."""
        return None if self.subject is None else distinguished_name.der_one_line(self.subject)


def survey(
    path: str, hours: float, now: datetime.datetime, exclusions: list[Exclusion] | None = None
) -> list[dict[str, Any]]:
    """Return the facts about the CRL of each CA with a CRL URL in the directory ``path``.

    The state of a CA is that of its worse file. Old Java clients read only the files with old hashes.

    :param hours: a CRL that is valid for less time is ``expiring``. :param exclusions: CAs that are marked as excluded.
    :raises GridSecurityError: ``no_directory``, ``no_access`` or ``os_error``: the directory cannot be read;
        ``bad_path``: no directory can have this path; ``too_many_files`` or ``too_large``: it is no trust directory.
    """
    option_paths.check(path, "path")
    store = _Store(path, _list(path), hours, now)
    return [{**store.facts(ca), **_excluded(ca, exclusions or [])} for ca in store.cas()]


def _excluded(ca: Ca, exclusions: list[Exclusion]) -> dict[str, Any]:
    about = (ca.alias, ca.dn, ca.certificate)
    found = next((exclusion for exclusion in exclusions if anchor_filters.matches(exclusion.pattern, *about)), None)
    return {"excluded": found is not None, "reason": found.reason if found else None}


def crls(path: str) -> Iterator[tuple[str, crl.Crl]]:
    """Yield the path and the content of each CRL file in the directory ``path`` that clients can read.

    :raises GridSecurityError: as :func:`survey`.
    """
    option_paths.check(path, "path")
    store = _Store(path, _list(path), 0, times.now())
    for name in filter(_CRL_NAME.fullmatch, store.listed):
        with contextlib.suppress(crl.CrlError):
            yield os.path.join(path, name), crl.read(crl.decode(store.read(name, crl.LARGEST)))


def judge(
    this_update: datetime.datetime, next_update: datetime.datetime | None, hours: float, now: datetime.datetime
) -> str:
    """Return the state of a CRL by its times. A CRL without a time of the next CRL stays fresh."""
    if this_update > now:
        return "not_yet_valid"
    if next_update is None:
        return "fresh"
    if next_update <= now:
        return "expired"
    return "expiring" if next_update - now < datetime.timedelta(hours=hours) else "fresh"


def _list(path: str) -> list[str]:
    try:
        with os.scandir(path) as found:
            listed = [entry.name for entry in itertools.islice(found, _MOST_FILES + 1)]
    except FileNotFoundError:
        raise GridSecurityError(
            "no_directory", f"{path} does not exist. Place trust anchors first, or name another directory."
        ) from None
    except NotADirectoryError:
        raise GridSecurityError("no_directory", f"{path} is no directory. Name the trust directory.") from None
    except PermissionError:
        raise GridSecurityError(
            "no_access", f"{path} cannot be read by this user. Run as a user who may read it, or as root."
        ) from None
    except OSError as error:
        raise GridSecurityError("os_error", f"{path} cannot be read: {error.strerror}.") from error
    if len(listed) > _MOST_FILES:
        raise GridSecurityError("too_many_files", f"{path} has more than {_MOST_FILES} files. {_WRONG_DIRECTORY}")
    return sorted(name for name in listed if name.isprintable())  # no file of a trust directory has another name


class _Store:
    """The files of a trust directory. :param listed: their names. :param hours: as of :func:`survey`."""

    def __init__(self, path: str, listed: list[str], hours: float, now: datetime.datetime) -> None:
        self.path, self.listed = path, listed
        self._hours, self._now = hours, now
        self._bytes_left = _MOST_BYTES  # that may still be read
        self._present = frozenset(listed)
        self._crls: dict[str, list[str]] = {}  # names of files by the hash in the name
        self._known: dict[bytes, dict[str, Any]] = {}  # facts by subject
        for name in filter(_CRL_NAME.fullmatch, listed):
            self._crls.setdefault(name.partition(".")[0], []).append(name)

    def cas(self) -> Iterator[Ca]:
        """Yield each CA once, by its alias rather than by a hash."""
        stems = {name.rpartition(".")[0] for name in self.listed if name.endswith((".info", ".crl_url"))}
        seen = set()
        for stem in sorted(stems, key=lambda stem: (f"{stem}.pem" not in self._present, stem)):
            certificate = next((stem + ending for ending in _ENDINGS if stem + ending in self._present), None)
            if certificate and anchor_info.crl_urls(self.read(f"{stem}.info"), self.read(f"{stem}.crl_url")):
                data = self.read(certificate)
                digest = hashlib.sha256(data).digest()
                if digest not in seen:
                    yield Ca(stem, *_subject(data))
                seen |= {digest} if data else set()

    def read(self, name: str, limit: int = _LARGEST_COMPANION) -> bytes:
        """Return the content of a file.

        The total of all files is limited, because there may be many hard links to one large file.

        :raises GridSecurityError: ``too_large``.
        """
        data = _read(os.path.join(self.path, name), limit)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise GridSecurityError("too_large", f"{self.path} has files of more than 1 GiB. {_WRONG_DIRECTORY}")
        return data

    def facts(self, ca: Ca) -> dict[str, Any]:
        """Return the facts about the CRL of a CA."""
        subject = ca.subject
        if subject is None:
            cause = f"the certificate of {ca.alias} in {self.path} is damaged"
            return {"alias": ca.alias, "issuer": None, **self._describe(Found("", "damaged", cause=cause), [])}
        if subject not in self._known:
            self._known[subject] = self._facts_by_subject(subject)
        return {"alias": ca.alias, "issuer": readable(str(ca.dn)), **self._known[subject]}

    def _facts_by_subject(self, subject: bytes) -> dict[str, Any]:
        """Return the facts about the CRL of all CAs with this name."""
        styles = [
            [candidate for candidate in self._candidates(digest) if _is_of(candidate, subject)]
            for digest in dict.fromkeys(distinguished_name.der_hashes(subject))
        ]
        worst = max((_best(style) for style in styles), key=lambda candidate: candidate.rank)
        return self._describe(worst, [candidate for style in styles for candidate in style])

    def _candidates(self, digest: str) -> list[Found]:
        return [self._look(name) for name in self._crls.get(digest, [])]

    def _look(self, name: str) -> Found:
        path, data = os.path.join(self.path, name), self.read(name, crl.LARGEST)
        digest = hashlib.sha256(data).hexdigest()
        try:
            # Clients read PEM only under these names.
            found = dataclasses.replace(crl.read(crl.decode(data)), der=b"")
        except crl.CrlError as error:
            cause = str(error) if data else f"is empty, unreadable, or larger than {crl.LARGEST >> 20} MiB"
            return Found(path, "damaged", digest, cause=f"{path} {cause}")
        return Found(path, judge(found.this_update, found.next_update, self._hours, self._now), digest, found)

    def _describe(self, found: Found, files: list[Found]) -> dict[str, Any]:
        known = found.crl
        end = known.next_update if known else None
        return {
            "state": found.state,
            "file": found.path or None,
            "sha256": found.sha256 or None,
            "number": known.number if known else None,
            "this_update": times.iso(known.this_update) if known else None,
            "next_update": times.iso(end) if end else None,
            "hours_left": int((end - self._now).total_seconds() // 3600) if end else None,
            "expired_files": [file.path for file in files if file.state == "expired"],
            "msg": found.cause or None,
        }


def _read(path: str, limit: int) -> bytes:
    """Return a regular file, through links; empty if it cannot be read or is larger than ``limit``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        data = stream.read(limit + 1)
    return data if len(data) <= limit else b""


def _subject(data: bytes) -> tuple[bytes | None, bytes]:
    """Return the DER of the first certificate's subject, or None if it is damaged, and the DER of the certificate."""
    certificate = pem.first(data, "CERTIFICATE") or b""
    try:
        fields = der.read(certificate).child(0).children
        name = fields[5 if fields[0].tag == der.CONTEXT_0 else 4]  # behind the version, which the oldest lack
        distinguished_name.canonical(encoded := name.encoded())
    except (ValueError, IndexError):
        return None, certificate
    return encoded, certificate


def _is_of(found: Found, subject: bytes) -> bool:
    """Return whether a file is of the CA. Names may have the same hash. A damaged file counts for all of them."""
    return found.crl is None or distinguished_name.canonical(found.crl.issuer) == distinguished_name.canonical(subject)


def _best(style: list[Found]) -> Found:
    return min(style, key=lambda candidate: candidate.rank, default=Found("", "missing"))


def warnings(facts: list[dict[str, Any]]) -> list[str]:
    """Return a line for each bad state, with the aliases of the CAs that are not excluded."""
    kinds = {
        "expired": "clients refuse all certificates of these CAs. Renew them, or check whether the CAs still publish",
        "not_yet_valid": "clients refuse all certificates of these CAs. Set this node's clock",
        "damaged": "clients cannot read them. Remove the files, so that they are fetched again",
        "missing": "certificates that these CAs revoked are accepted. Fetch the CRLs",
    }
    counted = [crl_facts for crl_facts in facts if not crl_facts["excluded"]]
    found = {kind: [crl_facts["alias"] for crl_facts in counted if crl_facts["state"] == kind] for kind in kinds}
    return [
        f"CRLs {kind.replace('_', ' ')}: {listed(aliases)}. Until they are replaced, {kinds[kind]}."
        for kind, aliases in found.items()
        if aliases
    ]
