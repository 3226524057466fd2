# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whether a certificate is valid, and whether it may replace the certificate in place."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions

__all__ = ["days_left", "fingerprint", "review"]


def fingerprint(facts: dict[str, str]) -> str:
    """Return the SHA-256 fingerprint in the form that the engine compares: lower case, without colons."""
    return facts["sha256_fingerprint"].replace(":", "").lower()


def days_left(facts: dict[str, str]) -> int:
    """Return the whole days until the certificate expires; a negative number if it has expired.

    :param facts: as of :func:`certificates.describe`.
    """
    return times.days_until(times.parse_iso(facts["not_after"]))


def review(facts: dict[str, str], before: dict[str, str] | None, options: CredentialOptions) -> None:
    """Refuse a certificate that is not valid now, or that must not replace the one in place.

    :param facts: of the new certificate. :param before: of the certificate in place, if there is one.
    :raises GridSecurityError: ``expired``, ``not_yet_valid``, ``subject_change`` or ``older``.
    """
    _review_validity(facts, options)
    if before is None or before["sha256_fingerprint"] == facts["sha256_fingerprint"]:
        return
    if before["subject"] != facts["subject"] and not options.allow_subject_change:
        raise GridSecurityError(
            "subject_change",
            f"{options.label}: it is for {facts['subject_dn']}, but the certificate in place is for"
            f" {before['subject_dn']}. If the change of subject is intended, set allow_subject_change: true.",
        )
    if facts["not_before"] < before["not_before"] and not options.allow_older:
        raise GridSecurityError(
            "older",
            f"{options.label}: it is older (issued {facts['not_before'][:10]}) than the certificate in place"
            f" ({before['not_before'][:10]}). To place it anyway, set allow_older: true.",
        )


def _review_validity(facts: dict[str, str], options: CredentialOptions) -> None:
    now = times.now()
    if times.parse_iso(facts["not_after"]) < now and not options.allow_expired:
        raise GridSecurityError(
            "expired",
            f"{options.label}: the certificate expired on {facts['not_after'][:10]}. Ask the CA for a new one, or set"
            " allow_expired: true.",
        )
    if times.parse_iso(facts["not_before"]) > now and not options.allow_not_yet_valid:
        raise GridSecurityError(
            "not_yet_valid",
            f"{options.label}: the certificate is not valid before {facts['not_before']}. Wait until then, check the"
            " clock, or set allow_not_yet_valid: true.",
        )
