# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges that share calls of the engine."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.exchange import (
    Exchange,
    Outcomes,
    Request,
    Send,
    run,
    run_batched,
)


class Engine:
    """Answers with the names of the sets, and keeps what each call carried."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[str]]] = []

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        self.calls.append(([one["name"] for one in sets], sorted(contents)))
        return [{"echo": one["name"]} for one in sets]


class Talk(Exchange):
    """Asks for so many sets in each step, and returns the answers.

    :param broken: the step that fails, if any.
    """

    def __init__(self, name: str, compared: int, supplied: int, later: int = 0, broken: str = "") -> None:
        self._name, self._counts, self._broken = name, (compared, supplied, later), broken
        self.heard: list[list[str]] = []
        self.closed = 0

    def request(self) -> Request:
        return self._ask("request", 0)

    def supply(self, outcomes: Outcomes) -> Request:
        self._hear(outcomes)
        return self._ask("supply", 1)

    def result(self, outcomes: Outcomes, send: Send) -> list[list[str]]:
        self._hear(outcomes)
        later = self._ask("result", 2)
        if later.sets:
            self._hear(send(later.sets, later.contents))
        return self.heard

    def close(self) -> None:
        self.closed += 1

    def _hear(self, outcomes: Outcomes) -> None:
        self.heard.append([outcome["echo"] for outcome in outcomes])

    def _ask(self, step: str, number: int) -> Request:
        if step == self._broken:
            raise GridSecurityError("broken", "it broke")
        sets = [{"name": f"{self._name}{number}.{index}"} for index in range(self._counts[number])]
        return Request(sets, {self._name: ""} if number else {})


FAILED = {"changed": False, "failed": True, "error_code": "broken", "msg": "it broke"}


def test_exchanges_share_two_calls_and_answers_are_not_mixed_up() -> None:
    engine = Engine()
    assert run_batched([Talk("a", 1, 2), Talk("b", 2, 0), Talk("c", 0, 1, 1)], engine.send) == [
        [["a0.0"], ["a1.0", "a1.1"]],
        [["b0.0", "b0.1"], []],
        [[], ["c1.0"], ["c2.0"]],
    ]
    assert engine.calls == [
        (["a0.0", "b0.0", "b0.1"], []),
        (["a1.0", "a1.1", "c1.0"], ["a", "b", "c"]),
        (["c2.0"], ["c"]),
    ]


def test_nothing_to_ask_is_no_call() -> None:
    engine = Engine()
    assert run(Talk("a", 0, 0), engine.send) == [[], []]
    assert engine.calls == []


@pytest.mark.parametrize("step", ["request", "supply", "result"])
def test_one_that_fails_does_not_stop_the_others(step: str) -> None:
    broken, other = Talk("f", 1, 1, broken=step), Talk("a", 1, 1)
    assert run_batched([broken, other], Engine().send) == [FAILED, [["a0.0"], ["a1.0"]]]
    assert (broken.closed, other.closed) == (1, 1)
    assert run(Talk("f", 1, 1, broken=step), Engine().send) == FAILED


def test_a_failed_exchange_is_closed_before_the_next_step_of_others() -> None:
    class Later(Talk):
        def supply(self, outcomes: Outcomes) -> Request:
            assert broken.closed == 1
            return super().supply(outcomes)

    broken = Talk("f", 1, 1, broken="request")
    assert run_batched([broken, Later("a", 1, 1)], Engine().send)[1] == [["a0.0"], ["a1.0"]]


def test_all_are_closed_if_the_node_is_lost() -> None:
    def lost(*_arguments: Any) -> Outcomes:
        raise ConnectionError

    talks = [Talk("a", 1, 1), Talk("b", 1, 1)]
    with pytest.raises(ConnectionError):
        run_batched(talks, lost)
    assert [talk.closed for talk in talks] == [1, 1]


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
