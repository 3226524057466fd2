# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and write PEM, the text form of RFC 7468."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Block", "blocks", "encode", "first", "holds_private_key"]

_LINE = 64  # characters, RFC 7468 section 2


def encode(label: str, data: bytes) -> bytes:
    """Return ``data`` between BEGIN and END lines, with 64 characters on each line, in OpenSSL's form."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----\s")
_MOST_ENDLESS = 16  # labels of blocks without an end, before the reader ignores the rest


@dataclass(frozen=True)
class Block:
    """Hold a block from BEGIN to END: the label, the whole text, and the data of the Base64.

    :param is_encrypted: by PKCS#8, or by the header lines of OpenSSL's traditional form (RFC 1421).
    """

    label: str
    text: bytes
    is_encrypted: bool
    _base64: bytes

    @functools.cached_property
    def data(self) -> bytes:
        """Return the decoded Base64; empty if it is damaged. It is decoded only on demand: a CRL may have many MiB."""
        return _decode(self._base64)


def blocks(text: bytes) -> Iterator[Block]:
    """Yield the blocks of a PEM file in order. Text around them is ignored, as in OpenSSL.

    The time grows with the size of the file only. It does not grow with the number of blocks that have no end.
    """
    text = text.replace(b"\r\n", b"\n")
    position, endless = 0, set[bytes]()
    while len(endless) < _MOST_ENDLESS:
        begin = _BEGIN.search(text, position)
        if begin is None:
            return
        label, position = begin.group(1), begin.end()
        mark = b"-----END %s-----" % label
        end = -1 if label in endless else text.find(mark, position)
        if end < 0:
            endless.add(label)
            continue
        yield _block(label.decode(), text[begin.start() : end + len(mark)], text[position:end])
        position = end


def first(text: bytes, label: str) -> bytes | None:
    """Return the data of the first block with a label; empty if it is damaged, None if there is no such block."""
    return next((block.data for block in blocks(text) if block.label == label), None)


def holds_private_key(content: bytes) -> bool:
    """Return whether ``content`` has a private key in PEM, in any format, even if it is truncated."""
    return b"PRIVATE KEY-----" in content or b"PRIVATE KEY BLOCK-----" in content


def _block(label: str, text: bytes, body: bytes) -> Block:
    headers, _blank, rest = body.rpartition(b"\n\n") if b":" in body else (b"", b"", body)
    encrypted = label.startswith("ENCRYPTED ") or b"ENCRYPTED" in headers
    return Block(label, text + b"\n", encrypted, rest)


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(body)
    except binascii.Error:
        return b""  # the caller reports it as damaged
