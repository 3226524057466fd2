# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the answers of processes that work on users' files: make them printable, and limit size and shape.

Users choose the names, link targets and contents in their homes. Ansible refuses the whole result of a module if one of
its strings is no valid Unicode, and keeps all of it in memory several times. Without this check, one
odd link or one enormous file of one user would fail the task for all users of the node.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Callable, Union

__all__ = ["LARGEST", "USUAL", "AnswerError", "Shape", "checked", "decode", "printable"]

# A type, or a test. ``[shape]`` is a list, ``{str: shape}`` a dictionary with any keys, and ``{name: shape}`` one with
# at least these keys.
Shape = Union[type, Callable[[Any], bool], list[Any], dict[Any, Any]]

LARGEST = 32 << 20  # characters about one directory of root: 20,000 files take some 10 MiB
USUAL = 2 << 20  # characters about anything else; the Base64 of an archive has 1.4 MiB
_DEEPEST = 8  # levels; facts about a CRL in a directory are at the fifth
_MOST_VALUES = 1_000_000
_LARGEST_NUMBER = 256  # bits; the number of a CRL has at most 160
_ALLOWED = "\n\t"  # as in messages and diffs
_UNDECODED = range(0xDC80, 0xDD00)  # code points for bytes 0x80 to 0xFF that are no UTF-8 (surrogateescape)


class AnswerError(ValueError):
    """The defect of an answer. The message completes the sentence "the process answered with …"."""


def printable(text: str, allowed: str = _ALLOWED) -> str:
    r"""Return ``text`` with unprintable characters escaped. Bytes of a file name that are not UTF-8 become ``\xff``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in allowed else _escaped(char) for char in text)


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code - _UNDECODED.start + 0x80:02x}" if code in _UNDECODED else repr(character)[1:-1]


def decode(data: bytes, most: int, shape: dict[str, Shape] | None = None) -> dict[str, Any]:
    """Return the answer that ``data`` holds as JSON, as :func:`checked` returns it.

    :raises AnswerError: the data is no answer, or too large.
    """
    try:
        answer = json.loads(data, parse_int=_integer)
    except (ValueError, RecursionError):
        raise AnswerError("malformed data") from None
    return checked(answer, most, shape)


def checked(answer: Any, most: int, shape: dict[str, Shape] | None = None) -> dict[str, Any]:
    """Return the same answer with printable strings only.

    :param most: the largest number of characters.
    :param shape: of the values that the answer may have, by name. Values with other names are not checked.
    :raises AnswerError: the value is no answer, or too large, or one of its values has another shape.
    """
    if not isinstance(answer, dict) or (answer.get("failed") and not _explains(answer)):
        raise AnswerError("malformed data")
    copier = _Copier(most)
    cleaned: dict[str, Any] = copier.copy(answer, 0)
    for name, wanted in (shape or {}).items():
        if name in cleaned and not _fits(cleaned[name], wanted):
            raise AnswerError(f"a value of {name} that cannot be used")
    return cleaned


def _fits(value: Any, shape: Shape) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        wanted: dict[Any, Any] = dict.fromkeys(value, shape[str]) if str in shape else shape
        return all(name in value and _fits(value[name], wanted[name]) for name in wanted)
    return isinstance(value, shape) if isinstance(shape, type) else shape(value)


def _explains(answer: dict[str, Any]) -> bool:
    """Tell whether a failure has ``error_code`` and ``msg``, on which all callers rely."""
    return isinstance(answer.get("error_code"), str) and isinstance(answer.get("msg"), str)


class _Copier:
    """Copy an answer with printable strings, and count its characters and values."""

    def __init__(self, most: int) -> None:
        self._characters = self._most = most
        self._values = _MOST_VALUES

    def copy(self, value: Any, depth: int) -> Any:
        self._values -= 1
        if self._values < 0 or depth > _DEEPEST:
            raise AnswerError(f"more than {_MOST_VALUES} values, or with values nested more than {_DEEPEST} deep")
        if isinstance(value, str):
            return self._count(printable(value))
        if isinstance(value, dict):
            return dict(self._copy_items(value, depth + 1))
        if isinstance(value, (list, tuple)):
            return [self.copy(item, depth + 1) for item in value]
        if value is None or isinstance(value, float) or (isinstance(value, int) and _is_usual(value)):
            return value
        raise AnswerError("malformed data")

    def _copy_items(self, value: dict[Any, Any], depth: int) -> Iterator[tuple[str, Any]]:
        for key, item in value.items():
            yield self._count(printable(str(key), allowed="")), self.copy(item, depth)

    def _count(self, text: str) -> str:
        self._characters -= len(text)
        if self._characters < 0:
            raise AnswerError(f"more than {self._most} characters")
        return text


def _integer(digits: str) -> int:
    """Return the number, unless it is too long.

    Python 3.9 before 3.9.14 and 3.10 before 3.10.7 have no limit: the time grows with the square of the length.
    """
    if len(digits) > _LARGEST_NUMBER:
        raise ValueError("too many digits")
    return int(digits)


def _is_usual(number: int) -> bool:
    return number.bit_length() <= _LARGEST_NUMBER
