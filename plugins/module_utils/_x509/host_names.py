# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the host names of a certificate, and compare them."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._x509 import safe_x509

try:
    from cryptography import x509
    from cryptography.x509.oid import NameOID
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["covers", "dns_names"]


def dns_names(certificate: x509.Certificate) -> list[str]:
    """Return the host names of a certificate: its alternative names, or else its common name (RFC 6125, 6.4.4).

    In the grid's older form ``CN=host/NAME``, the host name is NAME.

    :raises CertificateError: the extensions are damaged.
    """
    with safe_x509.explained():
        found = _alternative_names(certificate)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return found or [str(attribute.value).rpartition("/")[2] for attribute in common]


def _alternative_names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    found: list[str] = extension.value.get_values_for_type(x509.DNSName)
    return found


def covers(pattern: str, host: str) -> bool:
    """Return whether a name of a certificate matches ``host``. ``*`` matches the first part only (RFC 6125, 6.4.3)."""
    pattern, host = pattern.lower().rstrip("."), host.lower().rstrip(".")
    if pattern.startswith("*."):
        return pattern[2:] == host.partition(".")[2]
    return pattern == host
