# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the reader of PEM with text of people, mail programs and attackers."""

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


@pytest.mark.parametrize(("size", "lines"), [(0, 2), (48, 3), (49, 4), (96, 4), (97, 5)])
def test_lines_have_64_characters(size: int, lines: int) -> None:
    text = pem.encode("X", bytes(size))
    assert len(text.splitlines()) == lines
    assert {len(line) for line in text.splitlines()[1:-2]} <= {64}
    assert pem.first(text, "X") == bytes(size)
    assert text.endswith(b"-----END X-----\n")


def test_the_first_block_of_a_label() -> None:
    assert pem.first(ONE + TWO, "PRIVATE KEY") == b"two"
    assert pem.first(ONE + TWO, "X509 CRL") is None
    assert pem.first(b"-----BEGIN X-----\nA\n-----END X-----", "X") == b""


@pytest.mark.parametrize(
    ("label", "header", "is_encrypted"),
    [
        ("ENCRYPTED PRIVATE KEY", "", True),
        ("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", True),
        ("RSA PRIVATE KEY", "Comment: none\n\n", False),
        ("RSA PRIVATE KEY", "", False),
        ("RSA PRIVATE KEY ENCRYPTED ", "", False),
    ],
)
def test_encrypted_blocks(label: str, header: str, is_encrypted: bool) -> None:
    (block,) = pem.blocks(f"-----BEGIN {label}-----\n{header}dHdv\n-----END {label}-----\n".encode())
    assert (block.is_encrypted, block.data) == (is_encrypted, b"two")


@pytest.mark.parametrize(("number", "is_read"), [(15, True), (16, False)])
def test_blocks_without_end_are_borne_a_few_times(number: int, is_read: bool) -> None:
    text = b"".join(b"-----BEGIN X%d-----\n" % one for one in range(number))
    assert (found(text + TWO) == [("PRIVATE KEY", b"two")]) is is_read
    assert found(b"-----BEGIN X-----\n" * 20 + TWO) == [("PRIVATE KEY", b"two")]


@pytest.mark.parametrize(("size", "is_read"), [(1, True), (64, True), (65, False)])
def test_the_length_of_labels_is_limited(size: int, is_read: bool) -> None:
    assert bool(found(pem.encode("X" * size, b"two"))) is is_read


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TWO, True),
        (TWO[:-30], True),
        (b"-----BEGIN RSA PRIVATE KEY-----", True),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----", True),
        (ONE, False),
        (b"-----BEGIN PUBLIC KEY-----", False),
        (b"PRIVATE KEY", False),
    ],
)
def test_private_keys_are_seen(content: bytes, expected: bool) -> None:
    assert pem.holds_private_key(content) is expected
