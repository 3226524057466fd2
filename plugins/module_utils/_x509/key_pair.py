# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pair a private key with its certificate. The file format makes no difference here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import safe_x509

try:
    import cryptography
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    _VERSION = int(cryptography.__version__.split(".", maxsplit=1)[0])
except ImportError:
    _VERSION = 0

__all__ = ["LARGEST", "KeyPair", "check_cryptography", "match", "public_key_in", "public_key_of", "type_of"]

LARGEST = 1 << 20  # bytes of a file with a credential; usual files have a few kB
_OLDEST_CRYPTOGRAPHY = 36  # Enterprise Linux 9
_WEAK_RSA = 2048  # bits


@dataclass(frozen=True)
class KeyPair:
    """Hold a private key, its certificate, and other certificates in the order of their file.

    :param friendly_name: the name of the pair in a PKCS#12 archive, made printable.
    """

    key: Any
    certificate: x509.Certificate
    others: tuple[x509.Certificate, ...]
    warnings: tuple[str, ...]
    friendly_name: str | None = None


def check_cryptography() -> None:
    """Check the version of the library cryptography.

    :raises GridSecurityError: ``no_cryptography``: the library is missing or too old.
    """
    if _VERSION < _OLDEST_CRYPTOGRAPHY:
        raise GridSecurityError(
            "no_cryptography",
            f"converting a credential needs the Python library cryptography, version {_OLDEST_CRYPTOGRAPHY} or newer,"
            " where the conversion runs. Install python3-cryptography there, or convert on the controller"
            " (remote_src: false).",
        )


def match(
    key: Any,
    certificates: list[Any],
    *,
    name: str,
    warnings: tuple[str, ...] = (),
    friendly_name: str | None = None,
) -> KeyPair:
    """Return the key with the first certificate that belongs to it.

    :param name: the file's name in messages.
    :raises GridSecurityError: ``no_certificate`` or ``malformed``.
    """
    found = list(dict.fromkeys(certificates))
    own = _certificate_of(key, found, name)
    _check_all(found, name)
    rest = tuple(certificate for certificate in found if certificate != own)
    return KeyPair(key, own, rest, warnings + _weaknesses(key), friendly_name)


def _certificate_of(key: Any, certificates: list[Any], name: str) -> Any:
    """Return the first certificate that belongs to the key."""
    public = public_key_of(key)
    for certificate in certificates:
        if public_key_in(certificate) == public:
            return certificate
    several = f"none of its {len(certificates)} certificates belongs"
    which = several if len(certificates) > 1 else "its certificate does not belong"
    raise GridSecurityError(
        "no_certificate",
        f"{name}: {which} to its private key. Export the credential again, with the certificate of that key.",
    )


def _check_all(certificates: list[Any], name: str) -> None:
    for certificate in certificates:
        try:
            safe_x509.check(certificate)
        except safe_x509.CertificateError as error:
            raise GridSecurityError(
                "malformed", f"{name}: a certificate is damaged ({error}). Fetch it again, or export it again."
            ) from None


def type_of(key: Any) -> str:
    """Return the name of a private key's type for messages, such as ``RSA`` or ``X25519``."""
    return type(key).__name__.lstrip("_").replace("PrivateKey", "").replace("EllipticCurve", "EC")


def public_key_of(key: Any) -> bytes:
    """Return the public key of a private key, in the form of :func:`public_key_in`."""
    return _spki(key.public_key())


def public_key_in(certificate: Any) -> bytes | None:
    """Return the public key in a certificate, or None if cryptography cannot read it."""
    try:
        return _spki(certificate.public_key())
    except Exception:  # pylint: disable=broad-except  # a key of a type that cryptography does not know
        return None


def _spki(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _weaknesses(key: Any) -> tuple[str, ...]:
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _WEAK_RSA:
        return (f"the RSA key has {key.key_size} bits only. Ask the CA for a key of {_WEAK_RSA} bits or more.",)
    return ()
