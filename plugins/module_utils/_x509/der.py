# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read BER (X.690) with limits, and write a few types in DER.

The reader accepts BER, because Firefox and Java write indefinite lengths, and octet strings in several pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = [
    "BIT_STRING",
    "CONTEXT_0",
    "CONTEXT_3",
    "ENCODED_NULL",
    "GENERALIZED_TIME",
    "INTEGER",
    "OBJECT_IDENTIFIER",
    "OCTET_STRING",
    "SEQUENCE",
    "UTC_TIME",
    "DerError",
    "Element",
    "Truncated",
    "encode",
    "encode_integer",
    "encode_octet_string",
    "encode_oid",
    "encode_sequence",
    "first",
    "is_cut_off",
    "read",
    "split",
]

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
CONTEXT_0 = 0xA0  # tagged [0] explicitly
CONTEXT_3 = 0xA3
ENCODED_NULL = b"\x05\x00"

_CONSTRUCTED = 0x20
_MOST_DEPTH = 32
_MOST_ELEMENTS = 20000
_MOST_TAG_BYTES = 4
_MOST_LENGTH_BYTES = 4
_LARGEST_NUMBER = 256  # bytes of an integer or object identifier; larger numbers take long to read and to print


class DerError(ValueError):
    """Report bytes that are not the expected ASN.1."""


class Truncated(DerError):
    """Report bytes that end before the end of an element."""


@dataclass(frozen=True)
class Element:
    """Hold an element: identifier octet, contents octets, and the children of a constructed element."""

    tag: int
    content: bytes
    children: tuple[Element, ...] = ()

    def child(self, index: int, tag: int | None = None) -> Element:
        """Return the child at ``index``. It must have ``tag``, if ``tag`` is given."""
        if index >= len(self.children) or tag not in (None, self.children[index].tag):
            raise DerError(f"element {index} is missing or of another type")
        return self.children[index]

    def walk(self) -> Iterator[Element]:
        """Yield this element and all elements in it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def encoded(self) -> bytes:
        """Return the element with its length in DER. The contents octets do not change."""
        return encode(self.tag, self.content)

    def octets(self) -> bytes:
        """Return the value of an octet string, with its pieces joined, also if it is tagged implicitly."""
        return b"".join(piece.octets() for piece in self.children) if self.tag & _CONSTRUCTED else self.content

    def integer(self) -> int:
        if self.tag != INTEGER or not 0 < len(self.content) <= _LARGEST_NUMBER:
            raise DerError("not an integer, or an enormous one")
        return int.from_bytes(self.content, "big", signed=True)

    def oid(self) -> str:
        """Return the dotted form of an object identifier."""
        if self.tag != OBJECT_IDENTIFIER or not 0 < len(self.content) <= _LARGEST_NUMBER or self.content[-1] & 0x80:
            raise DerError("not an object identifier, or an enormous one")
        arcs = [0]
        for byte in self.content:
            arcs[-1] = arcs[-1] << 7 | byte & 0x7F
            if not byte & 0x80:
                arcs.append(0)
        first = min(arcs[0] // 40, 2)
        return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:-1]))


def read(data: bytes, levels: int = _MOST_DEPTH + 1) -> Element:
    """Return the first element of ``data``. Bytes after it are ignored.

    :param levels: the depth to read. Deeper elements have contents octets and no children.
    :raises Truncated: the data end too early.
    :raises DerError: the data are no BER, or are nested too deeply, or have too many elements.
    """
    return _Reader(data, levels).element(0, 0)[0]


def is_cut_off(data: bytes) -> bool:
    """Return whether ``data`` end before the end of their first element.

    :raises DerError: the data do not start with an element.
    """
    try:
        _tag, length, _body = _Reader(data).head(0)
        if length is None:
            read(data)
    except Truncated:
        return True
    return False


def first(data: bytes) -> bytes:
    """Return the bytes of the first element of ``data``.

    :raises Truncated: the data end too early. :raises DerError: the data are no DER.
    """
    return data[: _Reader(data).closed(0)[1]]


def split(data: bytes) -> Iterator[Element]:
    """Yield the elements of ``data`` without their children, because a CRL may have a million entries.

    :raises Truncated: the last element ends too early.
    :raises DerError: an element is no DER. DER has definite lengths only.
    """
    reader, position = _Reader(data), 0
    while position < len(data):
        element, position = reader.closed(position)
        yield element


class _Reader:
    def __init__(self, data: bytes, levels: int = 0) -> None:
        self._data = data
        self._levels = levels
        self._count = 0

    def element(self, start: int, depth: int) -> tuple[Element, int]:
        """Return the element at ``start``, and the position after it."""
        self._count += 1
        if depth > _MOST_DEPTH or self._count > _MOST_ELEMENTS:
            raise DerError("too many elements, or too deeply nested")
        tag, length, body = self.head(start)
        if length is None:
            return self._indefinite(tag, body, depth)
        is_read = tag & _CONSTRUCTED and depth < self._levels
        children = self._children(body, body + length, depth) if is_read else ()
        return Element(tag, self._data[body : body + length], children), body + length

    def closed(self, start: int) -> tuple[Element, int]:
        """Return the element at ``start`` without its children, and the position after it."""
        tag, length, body = self.head(start)
        if length is None:
            raise DerError("indefinite length where DER is expected")
        return Element(tag, self._data[body : body + length]), body + length

    def head(self, start: int) -> tuple[int, int | None, int]:
        """Return the tag, the length (None if it is indefinite), and the start of the contents."""
        tag = self._byte(start)
        length, body = self._length(self._behind_long_tag(start + 1) if tag & 0x1F == 0x1F else start + 1)
        if length is not None and body + length > len(self._data):
            raise Truncated("the data end within an element")
        return tag, length, body

    def _behind_long_tag(self, position: int) -> int:
        """Return the position after a tag number above 30. Elements that this reader skips may have such a number."""
        for end in range(position, position + _MOST_TAG_BYTES):
            if not self._byte(end) & 0x80:
                return end + 1
        raise DerError("a tag number of more than 4 bytes")

    def _byte(self, position: int) -> int:
        if position >= len(self._data):
            raise Truncated("the data end within an element")
        return self._data[position]

    def _length(self, position: int) -> tuple[int | None, int]:
        first = self._byte(position)
        if first < 0x80:
            return first, position + 1
        count = first & 0x7F
        if count == 0:
            return None, position + 1
        if count > _MOST_LENGTH_BYTES:
            raise DerError("an element of more than 4 GiB")
        end = position + 1 + count
        if end > len(self._data):
            raise Truncated("the data end within a length")
        return int.from_bytes(self._data[position + 1 : end], "big"), end

    def _children(self, position: int, end: int, depth: int) -> tuple[Element, ...]:
        children = []
        while position < end:
            child, position = self.element(position, depth + 1)
            children.append(child)
        if position != end:
            raise DerError("an element reaches beyond the one around it")
        return tuple(children)

    def _indefinite(self, tag: int, position: int, depth: int) -> tuple[Element, int]:
        if not tag & _CONSTRUCTED:
            raise DerError("indefinite length of a primitive element")
        start, children = position, []
        while self._byte(position) or self._byte(position + 1):
            child, position = self.element(position, depth + 1)
            children.append(child)
        return Element(tag, self._data[start:position], tuple(children)), position + 2


def encode_sequence(*parts: bytes) -> bytes:
    return encode(SEQUENCE, b"".join(parts))


def encode_octet_string(value: bytes) -> bytes:
    return encode(OCTET_STRING, value)


def encode_integer(value: int) -> bytes:
    """Return a non-negative integer. The leading bit is the sign, so the encoding has one bit more than the value."""
    return encode(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def encode_oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return encode(OBJECT_IDENTIFIER, b"".join(_encode_arc(arc) for arc in (first * 40 + second, *rest)))


def _encode_arc(arc: int) -> bytes:
    encoded = [arc & 0x7F]
    while arc := arc >> 7:
        encoded.insert(0, arc & 0x7F | 0x80)
    return bytes(encoded)


def encode(tag: int, content: bytes) -> bytes:
    """Return an element with a tag of one byte, and with the shortest form of its length."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content
