# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the costs of key derivations that a file asks for."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import kdf
from ansible_collections.grid.security.plugins.module_utils._x509 import der

PBKDF2 = "1.2.840.113549.1.5.12"


SALT = der.encode_octet_string(b"salt")


def algorithm(oid: str, *numbers: int, salt: bytes = SALT) -> der.Element:
    parameters = der.encode_sequence(salt, *map(der.encode_integer, numbers))
    scheme = der.encode_sequence(der.encode_oid(oid), parameters)
    return der.read(der.encode_sequence(der.encode_oid("1.2.840.113549.1.5.13"), der.encode_sequence(scheme)))


@pytest.mark.parametrize(
    ("oid", "numbers", "least", "most"),
    [
        (PBKDF2, (2048,), 2048, 2048),
        (PBKDF2, (600_000, 32), 600_000, 600_000),
        (PBKDF2, (), 0, 0),
        (PBKDF2, (1000, 64_000), 1_000_000, 1_000_000),  # a thousand keys' length
        (kdf.SCRYPT, (16384, 8, 1), 16384 * 8, 16384 * 8),
        (kdf.SCRYPT, (1 << 20, 8, 1000), 8000 << 20, 8000 << 20),
        ("1.2.840.113549.1.12.1.3", (2048,), 2048, 2048),
    ],
)
def test_iterations(oid: str, numbers: tuple[int, ...], least: int, most: int) -> None:
    assert least <= sum(kdf.iterations(algorithm(oid, *numbers))) <= most


def test_a_salt_that_is_a_number_is_no_work() -> None:
    assert list(kdf.iterations(algorithm(PBKDF2, 2048, 32, salt=der.encode_integer(1 << 60)))) == [2048]


def test_the_length_of_a_key_that_no_program_uses() -> None:
    with pytest.raises(kdf.LongKeyError, match="^18446744073709551616$"):
        list(kdf.iterations(algorithm(PBKDF2, 2048, 1 << 64)))


def test_many_small_ones_are_a_large_one() -> None:
    kdf.refuse_bombs([400, 400], 1000, "alice.p12")
    with pytest.raises(GridSecurityError, match="asks for 1200 iterations .* the limit is 1000") as caught:
        kdf.refuse_bombs([400, 400, 400], 1000, "alice.p12")
    assert caught.value.error_code == "kdf_limit"


def test_what_is_negative_saves_nothing() -> None:
    with pytest.raises(GridSecurityError):
        kdf.refuse_bombs([-5000, 2000], 1000, "alice.p12")
