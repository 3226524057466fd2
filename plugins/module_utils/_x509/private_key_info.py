# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write private keys as PKCS#8 ``PrivateKeyInfo`` (RFC 5208), in the form that the certificate needs.

The key of an RSA-PSS certificate (RFC 4055) must be an RSA-PSS key with the parameters of the certificate. TLS
libraries refuse any other pair. cryptography reads RSA-PSS keys as RSA keys, and writes them as RSA keys. So this
module copies the AlgorithmIdentifier from the certificate.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, der

try:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["encode", "is_pss", "load"]


def load(info: bytes) -> Any:
    """Return a private key. If cryptography cannot read the key, it raises errors of many classes.

    Java writes Ed25519 keys with their public key (RFC 5958). cryptography reads only the form of RFC 5208, without it.
    """
    try:
        return load_der_private_key(info, None)
    except ValueError:
        _version, *parts = der.read(info).children[:3]
        version = der.encode_integer(0)
        return load_der_private_key(der.encode_sequence(version, *(one.encoded() for one in parts)), None)


def encode(key: Any, certificate: x509.Certificate) -> bytes:
    """Return the key in DER. For an RSA-PSS certificate, use the AlgorithmIdentifier of the certificate.

    cryptography writes the keys of all other types.
    """
    info: bytes = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if not is_pss(certificate):
        return info
    version, _algorithm, numbers = der.read(info).children
    algorithm = certificate_der.key_algorithm(certificate.public_bytes(Encoding.DER))
    return der.encode_sequence(version.encoded(), algorithm, numbers.encoded())


def is_pss(certificate: x509.Certificate) -> bool:
    """Return whether the certificate allows its key for RSA-PSS signatures only."""
    return certificate_der.key_type(certificate.public_bytes(Encoding.DER)) == certificate_der.RSA_PSS
