# SPDX-License-Identifier: GPL-3.0-or-later
"""Test RC2 with the vectors of RFC 2268, section 5."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import rc2

VECTORS = [
    ("0000000000000000", 63, "0000000000000000", "ebb773f993278eff"),
    ("ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"),
    ("3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"),
    ("88", 64, "0000000000000000", "61a8a244adacccf0"),
    ("88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"),
    ("88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"),
    ("88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"),
    ("88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e", 129, "0000000000000000", "5b78d3a43dfff1f1"),
]


@pytest.mark.parametrize(("key", "bits", "plain", "encrypted"), VECTORS)
def test_vector(key: str, bits: int, plain: str, encrypted: str) -> None:
    assert rc2.decrypt_cbc(bytes.fromhex(key), bits, bytes(8), bytes.fromhex(encrypted)).hex() == plain


def test_blocks_are_chained() -> None:
    block = bytes.fromhex("ebb773f993278eff")
    assert rc2.decrypt_cbc(bytes(8), 63, bytes(8), block * 2 + b"rest") == bytes(8) + block
