# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM as people, mail programs and attackers write it."""

from __future__ import annotations

import time

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import pem

ONE, TWO = pem.encode("CERTIFICATE", b"one" * 30), pem.encode("PRIVATE KEY", b"two")


def found(text: bytes) -> list[tuple[str, bytes]]:
    return [(block.label, block.data) for block in pem.blocks(text)]


def test_blocks_in_order_with_text_around() -> None:
    text = b"Bag Attributes\n" + ONE + b"\r\nkey: \n" + TWO.replace(b"\n", b"\r\n") + ONE
    assert found(text) == [("CERTIFICATE", b"one" * 30), ("PRIVATE KEY", b"two"), ("CERTIFICATE", b"one" * 30)]
    assert [block.text for block in pem.blocks(text)] == [ONE, TWO, ONE]


@pytest.mark.parametrize("text", [b"", ONE[:-12], b"-----BEGIN X-----\n", ONE.replace(b"END CERT", b"END CRET")])
def test_block_without_end_is_none(text: bytes) -> None:
    assert found(text) == []
    assert found(text + b"\n" + TWO) == [("PRIVATE KEY", b"two")]


def test_damaged_base64_is_empty() -> None:
    assert found(b"-----BEGIN X-----\nA\n-----END X-----") == [("X", b"")]


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN CERTIFICATE-----\n" * 37_000,
        b"".join(b"-----BEGIN %d-----\n" % number for number in range(50_000)),
        b"-----BEGIN " * 90_000,
        b"-----BEGIN A" * 80_000,
    ],
)
def test_time_grows_with_the_size_only(text: bytes) -> None:
    start = time.process_time()
    assert found(text) == []
    assert time.process_time() - start < 1
