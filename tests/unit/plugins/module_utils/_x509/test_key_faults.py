# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the messages about private keys that cryptography does not read."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._x509 import der, key_faults
from ansible_collections.grid.security.tests.support import pki

EC = "1.2.840.10045.2.1"


def info(*algorithm: bytes, key: bytes = b"damaged") -> bytes:
    """Return a PrivateKeyInfo."""
    return der.encode_sequence(der.encode_integer(0), der.encode_sequence(*algorithm), der.encode_octet_string(key))


@pytest.mark.parametrize("key_type", pki.KEYS)
def test_good_keys_have_no_fault(key_type: str) -> None:
    data = pki.KEYS[key_type]().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert key_faults.find(data) is None
    assert key_faults.unusual(data) is None


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "malformed", "its private key is damaged"),
        (der.encode_sequence(der.encode_integer(0)), "malformed", "its private key is damaged"),
        (der.encode_sequence(der.encode_integer(0), der.ENCODED_NULL), "malformed", "its private key is damaged"),
        (info(der.ENCODED_NULL), "malformed", "its private key is damaged"),
        (info(der.encode_oid("1.2.840.113549.1.1.1"), der.ENCODED_NULL), "malformed", "(RSA) is damaged"),
        (info(der.encode_oid("1.2.840.113549.1.1.10")), "malformed", "(RSA-PSS) is damaged"),
        (info(der.encode_oid("1.2.840.10040.4.1")), "malformed", "(DSA) is damaged"),
        (info(der.encode_oid("1.3.101.112")), "malformed", "(Ed25519) is damaged"),
        (info(der.encode_oid(EC), der.encode_oid("1.2.840.10045.3.1.7")), "malformed", "(EC) is damaged"),
        (info(der.encode_oid(EC)), "malformed", "its private key is damaged"),
        (info(der.encode_oid(EC), der.encode_sequence()), "unsupported_algorithm", "an elliptic curve without a name"),
        (info(der.encode_oid(EC), der.encode_oid("1.3.132.0.6")), "unsupported_algorithm", "curve secp112r1"),
        (info(der.encode_oid("1.2.643.2.2.19")), "unsupported_algorithm", "of the type GOST R 34.10-2001"),
    ],
)
def test_faults(data: bytes, code: str, words: str) -> None:
    found = key_faults.find(data)
    assert found
    assert found[0] == code
    assert words in found[1]


def test_types_that_some_versions_do_not_read() -> None:
    found = key_faults.unusual(info(der.encode_oid("1.3.101.113")))
    assert found
    assert found[0] == "unsupported_algorithm"
    assert "Ed448" in found[1]
    assert key_faults.unusual(info(der.encode_oid(EC))) is None
