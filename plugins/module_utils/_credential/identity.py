# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a certificate belongs to its owner, by ``subject_dn`` and by comparing the subjects of all run_as.

An archive does not name the account that it is for. Bob's archive, saved by mistake as ``dave.p12``, would give Dave
the identity of Bob.
"""

from __future__ import annotations

from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._common.listing import listed
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn

__all__ = ["Register", "check_shared", "identify"]


class Register:
    """What a run knows about the owners of credentials.

    :ivar owners: the owners of each subject, by :func:`one_line_dn.comparable` DN.
    :ivar refused_here: owner and SHA-256 fingerprint of each certificate that was not allowed to replace another one on
        this node.
    """

    def __init__(self, owners: dict[str, list[str]] | None = None, here: Any = (), elsewhere: Any = ()) -> None:
        self.owners = owners or {}
        self.refused_here = {(one[0], one[1]) for one in here}
        self.unreviewed = 0  # lists of credentials in this task whose review has not ended
        self._refused_elsewhere = {(one[0], one[1]) for one in elsewhere}

    def add(self, options: dict[str, Any], subject_dn: str) -> None:
        """Note the owner of a credential, unless it has none, or its subject may be shared."""
        if options["owner"] and not options["allow_shared_subject"]:
            owners = self.owners.setdefault(one_line_dn.comparable(subject_dn), [])
            owners += [options["owner"]] if options["owner"] not in owners else []

    def others(self, options: dict[str, Any], subject_dn: str) -> list[str]:
        """The other owners of the same subject."""
        return [one for one in self.owners.get(one_line_dn.comparable(subject_dn), []) if one != options["owner"]]

    def refuse(self, options: dict[str, Any], facts: dict[str, str]) -> None:
        """Note that the certificate was refused for its owner."""
        if options["owner"]:
            self.refused_here.add((options["owner"], facts["sha256_fingerprint"]))

    def accept(self, options: dict[str, Any], facts: dict[str, str]) -> None:
        """Note that the certificate is in place, even if an earlier task of the run refused it."""
        self.refused_here.discard((options["owner"], facts["sha256_fingerprint"]))

    def is_refused(self, options: dict[str, Any], facts: dict[str, str]) -> bool:
        """Whether the certificate was refused for its owner, on this node or another one."""
        known = (options["owner"], facts["sha256_fingerprint"])
        return known in self.refused_here or known in self._refused_elsewhere


def identify(
    options: list[dict[str, Any]], outcomes: list[Any], register: Register, name: Callable[[dict[str, Any]], str]
) -> list[Any]:
    """Return the outcomes, with an error in place of each outline that may belong to somebody else.

    :param options: of each credential.
    :param outcomes: an outline or an error for each credential; see :class:`renderers.Renderer`.
    :param register: the owners are added to it.
    :param name: returns the name of a credential for messages.
    """
    expected = [_unless(_check_expected, one, outcome, name(one)) for one, outcome in zip(options, outcomes)]
    for one, outcome in zip(options, expected):  # a wrong archive says nothing about the owner of its subject
        if isinstance(outcome, dict):
            register.add(one, outcome["facts"]["subject_dn"])

    def check(one: dict[str, Any], subject_dn: str, called: str) -> None:
        check_shared(one, subject_dn, register, called)

    return [_unless(check, one, outcome, name(one)) for one, outcome in zip(options, expected)]


def _unless(check: Callable[[dict[str, Any], str, str], None], options: dict[str, Any], outcome: Any, name: str) -> Any:
    """The outcome, unless it is an outline that the check refuses."""
    if not isinstance(outcome, dict):
        return outcome
    try:
        check(options, outcome["facts"]["subject_dn"], name)
    except GridSecurityError as error:
        return error
    return outcome


def _check_expected(options: dict[str, Any], subject_dn: str, name: str) -> None:
    expected = _expected(options)
    if expected and one_line_dn.comparable(subject_dn) not in map(one_line_dn.comparable, expected):
        raise GridSecurityError(
            "wrong_subject",
            f"{name}: it is for {subject_dn}, but subject_dn says {' or '.join(expected)}. Name the right archive, or"
            " correct subject_dn.",
        )


def _expected(options: dict[str, Any]) -> list[str]:
    given = options["subject_dn"] or []
    return [given] if isinstance(given, str) else given


def check_shared(options: dict[str, Any], subject_dn: str, register: Register, name: str) -> None:
    """Refuse a credential whose subject another owner has, too, unless ``subject_dn`` says that it is right.

    :param options: of the credential. :param register: has all credentials of the run.
    :param name: the name of the credential in messages.
    :raises GridSecurityError: ``shared_subject``.
    """
    if not options["owner"] or options["allow_shared_subject"] or _expected(options):
        return
    others = register.others(options, subject_dn)
    if others:
        raise GridSecurityError(
            "shared_subject",
            f"{name}: {options['owner']} and {listed(others)} would have the same subject, {subject_dn}. One of the"
            " archives is probably saved under a wrong name. Set subject_dn to say whose it is, or, if they share it,"
            " allow_shared_subject: true.",
        )
