# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the ASN.1 reader with the output of browsers and with malformed data."""

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


# --- bounds -----------------------------------------------------------------------------------------------------------


def nested(levels: int) -> bytes:
    data = b""
    for _level in range(levels):
        data = der.encode_sequence(data)
    return data


def test_depth_at_the_bound() -> None:
    assert len(list(der.read(nested(33)).walk())) == 33
    with pytest.raises(der.DerError):
        der.read(nested(34))
    with pytest.raises(der.DerError):
        der.read(b"\x30\x80" * 34 + bytes(68))
    assert len(list(der.read(b"\x30\x80" * 33 + bytes(66)).walk())) == 33


@pytest.mark.parametrize(("levels", "expected"), [(0, 1), (1, 2), (2, 3), (9, 4)])
def test_elements_are_read_to_a_depth(levels: int, expected: int) -> None:
    assert len(list(der.read(nested(4), levels).walk())) == expected


def test_count_at_the_bound() -> None:
    assert len(der.read(der.encode_sequence(*[der.ENCODED_NULL] * 19_999)).children) == 19_999
    with pytest.raises(der.DerError):
        der.read(der.encode_sequence(*[der.ENCODED_NULL] * 20_000))


def test_numbers_at_the_bound() -> None:
    for tag, size, is_read in ((2, 256, True), (2, 257, False), (6, 256, True), (6, 257, False), (2, 0, False)):
        element = der.Element(tag, b"\1" * size)
        if is_read:
            assert element.integer() if tag == 2 else element.oid()
        else:
            with pytest.raises(der.DerError):
                element.integer() if tag == 2 else element.oid()


@pytest.mark.parametrize(
    ("element", "is_integer", "is_oid"),
    [
        (der.Element(der.INTEGER, b"\1"), True, False),
        (der.Element(der.OBJECT_IDENTIFIER, b"\1"), False, True),
        (der.Element(der.OCTET_STRING, b"\1"), False, False),
        (der.Element(der.OBJECT_IDENTIFIER, b"\1\x81"), False, False),  # the last arc does not end
        (der.Element(der.OBJECT_IDENTIFIER, b""), False, False),
    ],
)
def test_only_numbers_are_numbers(element: der.Element, is_integer: bool, is_oid: bool) -> None:
    for read, is_read in ((element.integer, is_integer), (element.oid, is_oid)):
        if is_read:
            read()
        else:
            with pytest.raises(der.DerError):
                read()


def test_negative_integers() -> None:
    assert der.read(b"\2\1\xff").integer() == -1


@pytest.mark.parametrize(
    ("oid", "encoded"),
    [
        ("0.0", "060100"),
        ("0.39", "060127"),
        ("1.0", "060128"),
        ("1.39", "06014f"),
        ("2.0", "060150"),
        ("2.39", "060177"),
        ("2.40", "060178"),
        ("2.48", "06028100"),
        ("1.2.127", "06022a7f"),
        ("1.2.128", "06032a8100"),
        ("1.2.16384", "06042a818000"),
        ("2.5.4.3", "0603550403"),
    ],
)
def test_object_identifiers_in_bytes(oid: str, encoded: str) -> None:
    assert der.encode_oid(oid).hex() == encoded
    assert der.read(bytes.fromhex(encoded)).oid() == oid


@pytest.mark.parametrize(
    ("size", "head"),
    [(0, "0400"), (127, "047f"), (128, "048180"), (255, "0481ff"), (256, "04820100"), (1 << 16, "0483010000")],
)
def test_lengths_are_as_short_as_can_be(size: int, head: str) -> None:
    assert der.encode_octet_string(bytes(size)) == bytes.fromhex(head) + bytes(size)


@pytest.mark.parametrize(("number", "encoded"), [(0, "020100"), (127, "02017f"), (128, "02020080"), (256, "02020100")])
def test_integers_in_bytes(number: int, encoded: str) -> None:
    assert der.encode_integer(number).hex() == encoded


@pytest.mark.parametrize(
    ("data", "content"),
    [
        ("0484 00000002 0102", "0102"),  # a length in four bytes
        ("1f01 0101", "01"),  # a long tag
        ("1f81818101 0101", "01"),
        ("0401 01 ff", "01"),  # with something behind it
    ],
)
def test_unusual_heads(data: str, content: str) -> None:
    encoded = bytes.fromhex(data)
    assert der.read(encoded).content.hex() == content
    assert der.first(encoded) == encoded.removesuffix(b"\xff")


@pytest.mark.parametrize(
    ("data", "is_truncated"),
    [
        ("", True),
        ("04", True),
        ("0402 01", True),
        ("0482 01", True),
        ("1f", True),
        ("1f81", True),
        ("1f8181818101 0101", False),
        ("0485 0000000001 01", False),
        ("0480 0000", False),
        ("3003 0402 00 00", False),  # an element reaches beyond the one around it
        ("3080 0500", True),
        ("3080 0500 00", True),
    ],
)
def test_damage_and_truncation_are_told_apart(data: str, is_truncated: bool) -> None:
    with pytest.raises(der.DerError) as caught:
        der.read(bytes.fromhex(data))
    assert isinstance(caught.value, der.Truncated) is is_truncated


@pytest.mark.parametrize(
    ("data", "is_cut_off"),
    [("0401 01", False), ("0401", True), ("", True), ("3080 0000", False), ("3080 00", True), ("3080", True)],
)
def test_what_is_cut_off(data: str, is_cut_off: bool) -> None:
    assert der.is_cut_off(bytes.fromhex(data)) is is_cut_off


def test_what_begins_with_no_element_is_not_cut_off() -> None:
    for data in ("0480", "0485 0000000001"):
        with pytest.raises(der.DerError):
            der.is_cut_off(bytes.fromhex(data))


def test_indefinite_lengths_in_one_another() -> None:
    element = der.read(bytes.fromhex("3080 3080 0500 0000 0401 07 0001 01 0000"))
    assert [one.tag for one in element.walk()] == [0x30, 0x30, 5, 4, 0]
    assert element.child(1).octets() == b"\7"
    assert element.encoded() == bytes.fromhex("300c 3080 0500 0000 0401 07 0001 01")
    with pytest.raises(der.DerError):
        der.first(bytes.fromhex("3080 0000"))


def test_children_are_asked_for_by_number_and_tag() -> None:
    element = der.read(der.encode_sequence(der.ENCODED_NULL, der.encode_integer(7)))
    assert element.child(1).integer() == element.child(1, der.INTEGER).integer() == 7
    for arguments in ((2,), (0, der.INTEGER), (1, der.SEQUENCE)):
        with pytest.raises(der.DerError):
            element.child(*arguments)


def test_elements_in_a_row() -> None:
    assert [one.integer() for one in der.split(b"".join(map(der.encode_integer, range(3))))] == [0, 1, 2]
    assert list(der.split(b"")) == []
