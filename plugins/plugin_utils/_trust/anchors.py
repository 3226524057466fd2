# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CAs of the sources, and the files of the sources that cannot be used as CAs."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters
from ansible_collections.grid.security.plugins.module_utils._x509 import ca_certificate, distinguished_name, safe_x509
from ansible_collections.grid.security.plugins.module_utils._x509.ca_certificate import CaCertificate

try:
    from cryptography import x509
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    pass

__all__ = ["Anchor", "Found", "Unusable"]


@dataclass
class Anchor:
    """A CA: its certificate, and the files beside it by their ending (of :data:`source_files.COMPANIONS`).

    :param is_named: whether the source gives the alias. Otherwise the alias is the common name.
    :param preferred: whether these files count if another source has other versions of them.
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
        """The reason why the library cryptography cannot use the certificate; empty if it can."""
        if self.certificate.odd_date:  # cryptography 36 reads it, and newer versions do not
            return self.certificate.odd_date
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
        """Return whether a filter names this CA. An alias that several CAs have names all of them."""
        aliases = {self.alias, self.name}
        return any(anchor_filters.matches(pattern, alias, self.subject_dn, self.certificate.der) for alias in aliases)


@dataclass
class Unusable:
    """A file of a source, or a certificate of a bundle, that cannot be used as a CA.

    :param where: the file in messages.
    :param names: the aliases by which filters name it. :param data: the certificate (DER), or the file.
    :param info: of its ``.info`` file. :param error: the reason why it cannot be used.
    """

    where: str
    names: set[str]
    data: bytes
    info: dict[str, str]
    profiles: set[str]
    error: GridSecurityError

    @functools.cached_property
    def certificate(self) -> CaCertificate | None:
        """The certificate; None if it cannot be read."""
        try:
            return ca_certificate.read(self.data)
        except ca_certificate.UnreadableError:
            return None

    @functools.cached_property
    def subject(self) -> bytes | None:
        """The subject in DER; None if it cannot be read."""
        return ca_certificate.subject(self.data)

    @property
    def subject_dn(self) -> str | None:
        """The subject from the certificate, or from the ``.info`` file if the certificate cannot be read."""
        if self.subject is not None:
            return distinguished_name.der_one_line(self.subject)
        return self.info.get("subjectdn", "").strip('"') or None

    def matches(self, pattern: str) -> bool:
        """Return whether a filter names this file."""
        stated = [value for key, value in self.info.items() if key.partition(".")[0] == "sha1fp"]
        if _digits(pattern) in map(_digits, stated):
            return True
        return any(anchor_filters.matches(pattern, alias, self.subject_dn, self.data) for alias in self.names)


def _digits(fingerprint: str) -> str:
    return fingerprint.replace(":", "").lower()


@dataclass(frozen=True)
class Found:
    """The content of the sources. :param orphans: signing policies and other companions without a certificate."""

    anchors: list[Anchor]
    unusable: list[Unusable]
    orphans: list[Unusable]
