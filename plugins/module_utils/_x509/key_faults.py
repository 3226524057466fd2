# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out why cryptography does not read a private key."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._x509 import (
    algorithm_names,
    certificate_der,
    der,
    private_key_info,
)

try:
    import cryptography
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["find", "unusual"]

# Each supported version of cryptography reads keys of these types. If it does not read a key, the key is damaged.
_KNOWN = {
    certificate_der.RSA,
    certificate_der.RSA_PSS,
    certificate_der.EC,
    "1.2.840.10040.4.1",  # DSA
    "1.3.101.112",  # Ed25519
}


def find(info: bytes) -> tuple[str, str] | None:
    """Return the error code and the sentence for a PrivateKeyInfo in DER; None if cryptography reads it."""
    try:
        private_key_info.load(info)
        return None
    except Exception:  # pylint: disable=broad-except  # many classes, with the same words for many causes
        return _fault(info)


def _fault(info: bytes) -> tuple[str, str]:
    try:
        algorithm = der.read(info).child(1, der.SEQUENCE)
        oid = algorithm.child(0).oid()
        curve = _unknown_curve(algorithm) if oid == certificate_der.EC else None
    except der.DerError:
        return "malformed", "its private key is damaged. Export it again, or ask for a new credential."
    name, version = algorithm_names.name(oid), cryptography.__version__
    if curve:
        return (
            "unsupported_algorithm",
            f"its private key is on {curve}, which cryptography {version} does not read. Ask for a"
            " credential with an RSA key, or with a key on secp256r1 or secp384r1.",
        )
    if oid in _KNOWN:
        return "malformed", f"its private key ({name}) is damaged. Export it again, or ask for a new credential."
    return _unsupported(name)


def unusual(info: bytes) -> tuple[str, str] | None:
    """Return error code and sentence for a key if some versions of cryptography do not read its type from archives."""
    oid = der.read(info).child(1).child(0).oid()
    return None if oid in _KNOWN else _unsupported(algorithm_names.name(oid))


def _unsupported(name: str) -> tuple[str, str]:
    return (
        "unsupported_algorithm",
        f"its private key is of the type {name}, which cryptography {cryptography.__version__} does not read from a"
        " PKCS#12 archive. Ask for a credential with an RSA key, or with an EC key on secp256r1 or secp384r1.",
    )


def _unknown_curve(algorithm: der.Element) -> str | None:
    parameters = algorithm.child(1)
    if parameters.tag == der.SEQUENCE:
        return "an elliptic curve without a name"
    oid = parameters.oid()
    try:
        ec.get_curve_for_oid(x509.ObjectIdentifier(oid))
    except (LookupError, ValueError):
        return f"the elliptic curve {algorithm_names.name(oid)}"
    return None
