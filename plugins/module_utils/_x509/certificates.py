# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe certificates for results."""

from __future__ import annotations

import datetime

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import distinguished_name, safe_x509

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["describe", "expiry", "present", "start"]


def describe(certificate: x509.Certificate) -> dict[str, str]:
    """Return the facts of a certificate for results. Times are in UTC, ISO 8601."""
    with safe_x509.explained():
        return _describe(certificate)


def _describe(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "subject_dn": distinguished_name.one_line(certificate.subject),
        "issuer": certificate.issuer.rfc4514_string(),
        "issuer_dn": distinguished_name.one_line(certificate.issuer),
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": times.iso(start(certificate)),
        "not_after": times.iso(expiry(certificate)),
        "sha256_fingerprint": certificate.fingerprint(hashes.SHA256()).hex(":"),
    }


def _time(certificate: x509.Certificate, name: str) -> datetime.datetime:
    # cryptography 42 added the properties with a time zone, and deprecates the others.
    value: datetime.datetime = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    return value.replace(tzinfo=datetime.timezone.utc)


def start(certificate: x509.Certificate) -> datetime.datetime:
    """Return the start of a certificate's validity, in UTC."""
    return _time(certificate, "not_valid_before")


def expiry(certificate: x509.Certificate) -> datetime.datetime:
    """Return the end of a certificate's validity, in UTC."""
    return _time(certificate, "not_valid_after")


def present(content: bytes) -> dict[str, str] | None:
    """Return the facts of the certificate in a file of the node, or None if no certificate can be read."""
    try:
        return describe(safe_x509.load(content))
    except safe_x509.CertificateError:
        return None
