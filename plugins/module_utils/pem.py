# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PEM, the text form of RFC 7468."""

from __future__ import annotations

import base64

__all__ = ["encode"]

_LINE = 64  # characters, RFC 7468 section 2


def encode(label: str, data: bytes) -> bytes:
    """``data`` between BEGIN and END lines, 64 characters a line, as OpenSSL writes it."""
    text = base64.b64encode(data).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
