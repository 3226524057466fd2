# SPDX-License-Identifier: GPL-3.0-or-later
"""The door: whatever a process that worked for a user says, ansible can take it, and can print it."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import answers

ODD = os.fsdecode(b"\xff\x80")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller → é\n\tnext line", "Müller → é\n\tnext line"),
        (ODD, r"\xff\x80"),
        ("\ud800\udc00"[0], r"\ud800"),
        ("\x1b]0;owned\x07\r\0", r"\x1b]0;owned\x07\r\x00"),
        ("back\u202ewards", r"back\u202ewards"),
    ],
)
def test_texts_are_printable(text: str, shown: str) -> None:
    cleaned = answers.checked({"one": [{"two": text}]}, answers.USUAL)
    assert cleaned == {"one": [{"two": shown}]}
    json.dumps(cleaned, ensure_ascii=False).encode()  # as ansible does
    assert answers.checked(cleaned, answers.USUAL) == cleaned


def test_names_have_no_line_breaks() -> None:
    assert answers.checked({"found": {f"a\nb{ODD}": None}}, answers.USUAL) == {"found": {r"a\nb\xff\x80": None}}


@pytest.mark.parametrize("value", [None, True, 0, 1 << 160, -1, 2.5, "", [], {}, "x" * 1000, ["a", ["b"]]])
def test_what_is_usual_passes(value: Any) -> None:
    assert answers.decode(json.dumps({"value": value}).encode(), answers.USUAL) == {"value": value}


NESTED = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'"text"',
        b'{"failed": true}',
        b'{"failed": true, "error_code": 5, "msg": "text"}',
        b'{"failed": true, "error_code": "text", "msg": []}',
        NESTED.encode(),
        b'{"a": %s}' % NESTED.encode(),
        b'{"a": %s}' % (b"[" * 9 + b"]" * 9),
        b'{"a": 1%s}' % (b"0" * 200),
        b'{"a": 1%s}' % (b"0" * 20_000),
        b'{"a": "%s"}' % (b"x" * 2000),
        b'{"%s": 1}' % (b"x" * 2000),
        b'{"a": "%s"}' % (b"\\u0000" * 300),  # longer when it can be printed
        b'{"a": [%s0]}' % (b"0," * 1_000_000),
    ],
    ids=range(17),
)
def test_what_is_no_answer_or_too_large_does_not_pass(data: bytes) -> None:
    with pytest.raises(answers.AnswerError):
        answers.decode(data, 1000)


def test_long_numbers_are_refused_before_they_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "_is_usual", lambda _number: True)  # which looks at numbers after their conversion
    with pytest.raises(answers.AnswerError):
        answers.decode(b'{"a": 1%s}' % (b"0" * 300), answers.USUAL)


def test_what_no_json_has_does_not_pass() -> None:
    with pytest.raises(answers.AnswerError):
        answers.checked({"bytes": b"secret"}, answers.USUAL)
