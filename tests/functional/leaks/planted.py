# SPDX-License-Identifier: GPL-3.0-or-later
"""Plant secrets: passphrases and keys with a pattern. Find them in every form in which they may appear.

A secret's name starts with its class. :mod:`places` defines where each class is allowed.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric import ec

from ansible_collections.grid.security.tests.support import pki

__all__ = ["Needles", "credential", "passphrase", "word"]

_QUOTES = "\"\\é'$"  # characters that are difficult for JSON, for shells, and for masking by comparison
_OFFSETS = range(3)
_HALF = 16  # characters


def word(name: str) -> str:
    """Return the parts of a secret to search: two halves, because a line may break in one of them."""
    digits = hashlib.sha256(name.encode()).hexdigest()
    return f"planted{digits[:9]}planted{digits[9:18]}"


def passphrase(name: str) -> str:
    return word(name) + _QUOTES


def credential(name: str, **options: int) -> pki.Credential:
    """Make a credential with the pattern in its private number, so that the pattern is in the key's DER."""
    number = int.from_bytes(word(name).encode(), "big")
    return pki.issue("Alice", key=ec.derive_private_key(number, ec.SECP256R1()), **options)


def _base64(data: bytes) -> Iterator[bytes]:
    """Return the Base64 characters of ``data`` for each possible offset in a larger text."""
    for offset in _OFFSETS:
        encoded = base64.b64encode(bytes(offset) + data)
        yield encoded[4 if offset else 0 : -4]


def _forms(data: bytes) -> Iterator[bytes]:
    yield data
    yield data.decode().encode("utf-16-be")
    yield data.decode().encode("utf-16-le")
    yield data.hex().encode()
    yield data.hex().upper().encode()
    yield data.hex(":").encode()
    yield ", ".join(map(str, data)).encode()  # a list of numbers
    yield str(int.from_bytes(data, "big")).encode()
    for once in (*_base64(data), *_base64(data[:_HALF]), *_base64(data[_HALF:])):
        yield once
        yield once.replace(b"+", b"-").replace(b"/", b"_")
        yield from _base64(once)  # Base64 of JSON or PEM that has it in Base64


class Needles:
    """Hold the search patterns: planted words in every form, and lines of known files."""

    def __init__(self, names: Iterable[str]) -> None:
        self._forms = {name: set(_forms(word(name).encode())) for name in names}

    def add_lines(self, name: str, data: bytes) -> None:
        """Return the Base64 lines of a PEM file, for an encrypted key without a pattern."""
        lines = {line for line in data.splitlines() if re.fullmatch(rb"[A-Za-z0-9+/]{64}", line)}
        self._forms.setdefault(name, set()).update(lines, *map(_base64, lines))

    def found_in(self, data: bytes) -> set[str]:
        """Return the names of the secrets in ``data``, also if they have real or escaped line breaks in them."""
        squeezed = data.replace(b"\\n", b"").translate(None, b" \t\r\n\\")
        return {name for name, forms in self._forms.items() if any(form in data or form in squeezed for form in forms)}
