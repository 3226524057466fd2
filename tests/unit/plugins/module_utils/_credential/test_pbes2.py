# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the reader of PBKDF2-params."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import key_files, pbes2
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem

SALT, ITERATIONS = der.encode_octet_string(b"salt"), der.encode_integer(1000)
KEY_SIZE = der.encode_integer(32)
PRF = der.encode_sequence(der.encode_oid(pbes2.HMAC_SHA256), der.ENCODED_NULL)


@pytest.mark.parametrize(
    ("rest", "key_size", "prf"),
    [
        ((), None, None),
        ((KEY_SIZE,), 32, None),
        ((PRF,), None, pbes2.HMAC_SHA256),
        ((KEY_SIZE, PRF), 32, pbes2.HMAC_SHA256),
    ],
)
def test_key_size_and_prf_are_optional(rest: tuple[bytes, ...], key_size: int | None, prf: str | None) -> None:
    found = pbes2.read_pbkdf2(der.read(der.encode_sequence(SALT, ITERATIONS, *rest)))
    assert found == pbes2.Pbkdf2Parameters(b"salt", 1000, key_size, prf)


@pytest.mark.parametrize("parts", [(), (SALT,), (ITERATIONS, SALT), (PRF, ITERATIONS), (SALT, SALT)])
def test_damaged_parameters_are_refused(parts: tuple[bytes, ...]) -> None:
    with pytest.raises(der.DerError):
        pbes2.read_pbkdf2(der.read(der.encode_sequence(*parts)))


def test_key_file_with_key_size_and_without_prf_is_encrypted() -> None:
    derivation = der.encode_sequence(der.encode_oid(pbes2.PBKDF2), der.encode_sequence(SALT, ITERATIONS, KEY_SIZE))
    cipher = der.encode_sequence(der.encode_oid(pbes2.AES_256_CBC), der.encode_octet_string(bytes(16)))
    algorithm = der.encode_sequence(der.encode_oid(pbes2.PBES2), der.encode_sequence(derivation, cipher))
    info = der.encode_sequence(algorithm, der.encode_octet_string(bytes(64)))
    assert key_files.describe(pem.encode("ENCRYPTED PRIVATE KEY", info)) == {"kind": "encrypted"}
