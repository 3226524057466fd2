# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations held in step."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils.conversation import Conversation, Request, hold, together
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError


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
    assert failed == {"changed": False, "failed": True, "kind": "broken", "msg": "it broke"}
    assert other == [["a0.0"], ["a1.0"]]
    assert hold(fail(1), Engine().send) == failed
