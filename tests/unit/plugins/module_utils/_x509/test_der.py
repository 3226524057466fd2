# SPDX-License-Identifier: GPL-3.0-or-later
"""The ASN.1 reader on what browsers write and what nobody should."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import der


def test_indefinite_length_and_pieces() -> None:
    element = der.read(bytes.fromhex("30 80 24 80 04 02 0102 04 01 03 00 00 00 00"))
    assert element.child(0).octets() == b"\1\2\3"


@pytest.mark.parametrize("number", [0, 1, 127, 128, 255, 256, 100_000, 1 << 64])
def test_integers_come_back(number: int) -> None:
    assert der.read(der.encode_integer(number)).integer() == number


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.5.13", "2.16.840.1.101.3.4.1.42", "2.999.1", "0.9.2342"])
def test_object_identifiers_come_back(oid: str) -> None:
    assert der.read(der.encode_oid(oid)).oid() == oid


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 70_000])
def test_lengths_come_back(size: int) -> None:
    assert der.read(der.encode_octet_string(bytes(size))).octets() == bytes(size)


@pytest.mark.parametrize("data", ["30", "3005", "308201", "0480", "3080", "30 03 04 05 00"])
def test_short_data(data: str) -> None:
    with pytest.raises(der.DerError):
        der.read(bytes.fromhex(data))


def test_depth_and_count_are_bounded() -> None:
    for data in (b"\x30\x80" * 100_000, b"\x30\x84\x00\x0f\x42\x40" + b"\x05\x00" * 500_000):
        with pytest.raises(der.DerError):
            der.read(data)


def test_size_of_numbers_is_bounded() -> None:
    enormous = der.encode(der.OBJECT_IDENTIFIER, b"\x81" * 500_000 + b"\1"), der.encode(der.INTEGER, b"\x7f" * 500_000)
    with pytest.raises(der.DerError):
        der.read(enormous[0]).oid()
    with pytest.raises(der.DerError):
        der.read(enormous[1]).integer()


def test_split_leaves_the_inside_unread() -> None:
    first, second = der.split(bytes.fromhex("30 03 02 01 05 30 02 ff ff"))
    assert (first.children, next(der.split(first.content)).integer()) == ((), 5)
    assert second.content == b"\xff\xff"
    for data in ("30", "30 03 04", "05 00 30", "30 80 00 00"):
        with pytest.raises(der.DerError):
            list(der.split(bytes.fromhex(data)))
