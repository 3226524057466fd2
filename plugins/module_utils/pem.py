# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM, the text form of RFC 7468."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Block", "blocks", "encode"]

_LINE = 64  # characters, RFC 7468 section 2


def encode(label: str, data: bytes) -> bytes:
    """``data`` between BEGIN and END lines, 64 characters a line, as OpenSSL writes it."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What lies between a BEGIN and its END: the label, the whole text, and what the Base64 says.

    :param is_encrypted: by PKCS#8, or by the header lines of OpenSSL's traditional form (RFC 1421).
    """

    label: str
    text: bytes
    data: bytes
    is_encrypted: bool


def blocks(text: bytes) -> Iterator[Block]:
    """The blocks of a PEM file in order; what lies around them is ignored, as it is by OpenSSL."""
    for match in _BLOCK.finditer(text.replace(b"\r\n", b"\n")):
        label, body = match.group(1).decode(), match.group(2)
        headers, _blank, rest = body.rpartition(b"\n\n") if b":" in body else (b"", b"", body)
        encrypted = label.startswith("ENCRYPTED ") or b"ENCRYPTED" in headers
        yield Block(label, match.group(0) + b"\n", _decode(rest), encrypted)


def _decode(body: bytes) -> bytes:
    try:
        return base64.b64decode(body)
    except binascii.Error:
        return b""  # whoever reads it finds it damaged
