# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read certificates, and check at once the parts that every use needs.

cryptography reads most parts of a certificate only on access, and then raises errors of many classes.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

try:
    from cryptography import x509
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["CertificateError", "check", "explained", "load"]

_PARTS = ("version", "subject", "issuer", "serial_number")
_TIMES = ("not_valid_before", "not_valid_after")


class CertificateError(ValueError):
    """Report a fault of a certificate, in words that fit in brackets after its name."""


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Convert each error of cryptography to a :exc:`CertificateError`, and hide its warnings.

    cryptography warns about serial numbers that are not positive, and about names of unusual length. Real certificates
    have both.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # pylint: disable=broad-except
        raise CertificateError(str(error) or type(error).__name__) from error


def load(data: bytes) -> x509.Certificate:
    """Load the first certificate in PEM, or the certificate in DER.

    :raises CertificateError: there is no certificate, or it is damaged.
    """
    with explained():
        pem = b"-----BEGIN " in data
        certificate = x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data)
    check(certificate)
    return certificate


def check(certificate: x509.Certificate) -> None:
    """Read the parts of a certificate that every use needs, without key and extensions.

    :raises CertificateError: a part cannot be read.
    """
    with explained():
        for name in _PARTS:
            getattr(certificate, name)
        for name in _TIMES:  # cryptography 42 added the properties with a time zone
            getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
        certificate.subject.rfc4514_string()
