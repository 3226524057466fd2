# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a certificate belongs to its owner, by ``subject_dn`` and by comparing the subjects of all owners.

An archive does not name its account. If Bob's archive is saved by mistake as ``dave.p12``, Dave would get the identity
of Bob.
"""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn

__all__ = ["Register", "check_shared", "refusals"]


class Register:
    """The owners of credentials, and the refused certificates, as known to a run.

    :ivar owners: the owners of each subject, by :func:`one_line_dn.comparable` DN.
    :ivar refused_here: owner and SHA-256 fingerprint of each certificate that was not allowed to replace another one on
        this node.
    """

    def __init__(self, owners: dict[str, list[str]] | None = None, here: Any = (), elsewhere: Any = ()) -> None:
        self.owners = owners or {}
        self.refused_here = set(map(tuple, here))
        self.unreviewed = 0  # lists of credentials in this task whose review has not ended
        self._refused_elsewhere = set(map(tuple, elsewhere))

    def add(self, options: CredentialOptions, subject_dn: str) -> None:
        """Note the owner of a credential, unless it has none, or its subject may be shared."""
        if options.owner and not options.allow_shared_subject:
            owners = self.owners.setdefault(one_line_dn.comparable(subject_dn), [])
            owners += [options.owner] if options.owner not in owners else []

    def others(self, options: CredentialOptions, subject_dn: str) -> list[str]:
        """Return the other owners of the same subject."""
        return [owner for owner in self.owners.get(one_line_dn.comparable(subject_dn), []) if owner != options.owner]

    def refuse(self, options: CredentialOptions, facts: dict[str, str]) -> None:
        """Note that the certificate was refused for its owner."""
        if options.owner:
            self.refused_here.add((options.owner, facts["sha256_fingerprint"]))

    def accept(self, options: CredentialOptions, facts: dict[str, str]) -> None:
        """Note that the certificate is in place, even if an earlier task of the run refused it."""
        self.refused_here.discard((options.owner, facts["sha256_fingerprint"]))

    def is_refused(self, options: CredentialOptions, facts: dict[str, str]) -> bool:
        """Return whether the certificate was refused for its owner, on this node or on another node."""
        known = (options.owner, facts["sha256_fingerprint"])
        return known in self.refused_here or known in self._refused_elsewhere


def refusals(subjects: dict[CredentialOptions, str], register: Register) -> dict[CredentialOptions, GridSecurityError]:
    """Return an error for each credential that may belong to somebody else.

    :param subjects: the subject of each credential, as an OpenSSL one-line DN.
    :param register: the owners are added to it.
    """
    refused = _errors(_check_expected, subjects)
    for options, subject_dn in subjects.items():
        if options not in refused:  # a wrong archive says nothing about the owner of its subject
            register.add(options, subject_dn)
    others = {options: subject_dn for options, subject_dn in subjects.items() if options not in refused}
    return {**refused, **_errors(lambda options, subject_dn: check_shared(options, subject_dn, register), others)}


def _errors(
    check: Callable[[CredentialOptions, str], None], subjects: dict[CredentialOptions, str]
) -> dict[CredentialOptions, GridSecurityError]:
    """Return the errors that the check raises."""
    errors: dict[CredentialOptions, GridSecurityError] = {}
    for options, subject_dn in subjects.items():
        try:
            check(options, subject_dn)
        except GridSecurityError as error:
            errors[options] = error
    return errors


def _check_expected(options: CredentialOptions, subject_dn: str) -> None:
    expected = _expected(options)
    if expected and one_line_dn.comparable(subject_dn) not in map(one_line_dn.comparable, expected):
        raise GridSecurityError(
            "wrong_subject",
            f"{options.label}: it is for {subject_dn}, but subject_dn says {' or '.join(expected)}. Name the right"
            " archive, or correct subject_dn.",
        )


def _expected(options: CredentialOptions) -> list[str]:
    given = options.subject_dn or []
    return [given] if isinstance(given, str) else given


def check_shared(options: CredentialOptions, subject_dn: str, register: Register) -> None:
    """Refuse a credential whose subject another owner has, too, unless ``subject_dn`` confirms it.

    :param register: has all credentials of the run.
    :raises GridSecurityError: ``shared_subject``.
    """
    if not options.owner or options.allow_shared_subject or _expected(options):
        return
    others = register.others(options, subject_dn)
    if others:
        raise GridSecurityError(
            "shared_subject",
            f"{options.label}: {options.owner} and {listed(others)} would have the same subject, {subject_dn}. One of"
            " the archives probably has a wrong name. Set subject_dn for the right owner. If the owners share the"
            " subject, set allow_shared_subject: true.",
        )
