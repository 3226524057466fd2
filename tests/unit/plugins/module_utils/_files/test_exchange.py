# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations held in step."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request, hold, together


class Engine:
    """Answers with the names of the sets, and keeps what each call carried."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[str]]] = []

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        self.calls.append(([one["name"] for one in sets], sorted(contents)))
        return [{"echo": one["name"]} for one in sets]


def talk(name: str, *steps: int) -> Conversation:
    """Asks for so many sets in each step, and returns what it was answered."""
    heard = []
    for number, count in enumerate(steps):
        sets = [{"name": f"{name}{number}.{index}"} for index in range(count)]
        heard.append([one["echo"] for one in (yield Request(sets, {name: ""} if number else {}))])
    return heard


def fail(*steps: int) -> Conversation:
    yield from talk("f", *steps)
    raise GridSecurityError("broken", "it broke")


def test_each_step_is_one_call_and_answers_are_not_mixed_up() -> None:
    engine = Engine()
    assert hold(together([talk("a", 1, 2), talk("b", 2), talk("c", 0, 1, 1)]), engine.send) == [
        [["a0.0"], ["a1.0", "a1.1"]],
        [["b0.0", "b0.1"]],
        [[], ["c1.0"], ["c2.0"]],
    ]
    assert engine.calls == [
        (["a0.0", "b0.0", "b0.1"], []),
        (["a1.0", "a1.1", "c1.0"], ["a", "c"]),
        (["c2.0"], ["c"]),
    ]


def test_nothing_to_ask_is_no_call() -> None:
    engine = Engine()
    assert hold(talk("a", 0, 0), engine.send) == [[], []]
    assert engine.calls == []


def test_one_that_fails_does_not_stop_the_others() -> None:
    failed, other = hold(together([fail(1), talk("a", 1, 1)]), Engine().send)
    assert failed == {"changed": False, "failed": True, "error_code": "broken", "msg": "it broke"}
    assert other == [["a0.0"], ["a1.0"]]
    assert hold(fail(1), Engine().send) == failed


def holding(*digests: str) -> dict[str, Any]:
    return {
        "name": "".join(digests),
        "entries": [{"path": ".", "state": "directory"}, *({"sha256": one} for one in digests)],
    }


def test_contents_travel_in_parts_that_a_node_can_hold() -> None:
    sets = [holding("a"), holding("b", "c"), holding("d"), holding(), holding("a")]
    contents = {"a": "x" * 4, "b": "x" * 4, "c": "x" * 40, "d": "x" * 6, "unasked": "x"}
    parts = list(Request(sets, contents).in_parts(10))
    assert [one for part in parts for one in part.sets] == sets
    assert [sorted(part.contents) for part in parts] == [["a"], ["b", "c"], ["a", "d"]]
    assert all(part.contents[digest] == contents[digest] for part in parts for digest in part.contents)


def test_comparisons_travel_in_one_part() -> None:
    sets = [holding("a"), holding("b")]
    assert list(Request(sets).in_parts(1)) == [Request(sets)]
    assert not list(Request([]).in_parts(1))
