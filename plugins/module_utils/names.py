# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Distinguished names in the forms that grid software compares."""

from __future__ import annotations

try:
    from cryptography import x509
except ImportError:  # reported by pkcs12.load, which comes first
    pass

__all__ = ["slash_form"]

# Short names as OpenSSL's X509_NAME_oneline prints them; Globus, VOMS and grid-mapfiles use its output as it is.
_SHORT_NAMES = {
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
}


def slash_form(name: x509.Name) -> str:
    """``/DC=org/DC=example/CN=Alice``: most general part first, other than ASCII as ``\\xNN`` of its UTF-8."""
    return "".join(f"/{_short_name(part)}={_printable(str(part.value))}" for part in name)


def _short_name(part: x509.NameAttribute) -> str:
    return _SHORT_NAMES.get(part.oid.dotted_string, part.oid.dotted_string)


def _printable(value: str) -> str:
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in value.encode())
