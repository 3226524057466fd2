# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanges with the engine: compare first, then supply what the node lacks.

An exchange costs two calls of the engine at most: ``request()`` says what to compare, ``supply()`` says what to change.
Several exchanges share the two calls. See :func:`run_batched`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = [
    "Exchange",
    "Outcomes",
    "Request",
    "Send",
    "failure",
    "run",
    "run_batched",
]

Outcomes = list[dict[str, Any]]
Send = Callable[[list[dict[str, Any]], dict[str, str]], Outcomes]


@dataclass(frozen=True)
class Request:
    """File sets for the engine.

    The engine answers with an outcome for each set, in order; see :func:`engine.converge`.

    :param sets: as the option ``sets`` of the module ``file_set``.
    :param contents: the contents that the sets need, in Base64, by SHA-256.
    """

    sets: list[dict[str, Any]]
    contents: dict[str, str] = field(default_factory=dict)

    def in_parts(self, most: int) -> Iterator[Request]:
        """Yield requests of whole sets, each with at most ``most`` characters of contents, or with a single set."""
        sets: list[dict[str, Any]] = []
        contents: dict[str, str] = {}
        size = 0
        for file_set in self.sets:
            own = {entry["sha256"]: self.contents[entry["sha256"]] for entry in file_set["entries"] if self._has(entry)}
            needed = sum(map(len, own.values()))
            if sets and size + needed > most:
                yield Request(sets, contents)
                sets, contents, size = [], {}, 0
            sets.append(file_set)
            contents.update(own)
            size += needed
        if sets:
            yield Request(sets, contents)

    def _has(self, entry: dict[str, Any]) -> bool:
        return entry.get("sha256") in self.contents


class Exchange:
    """One task's exchange with the engine. It fails if a step raises :exc:`GridSecurityError`."""

    def request(self) -> Request:
        """Return the file sets to compare: digests, no contents."""
        raise NotImplementedError

    def supply(self, outcomes: Outcomes) -> Request:
        """Return the file sets that differ, with their contents. :param outcomes: of the sets of :meth:`request`."""
        raise NotImplementedError

    def result(self, outcomes: Outcomes, send: Send) -> Any:
        """Return the result of the task.

        :param outcomes: of the sets of :meth:`supply`.
        :param send: calls the engine again. Few exchanges need that, and only for rare changes.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Release what the exchange holds. This is called once, also if the exchange fails."""


def failure(error: GridSecurityError) -> dict[str, Any]:
    """Return the result of a task that fails with this error."""
    return {"changed": False, "failed": True, "error_code": error.error_code, "msg": error.message}


def run(exchange: Exchange, send: Send) -> Any:
    """Run one exchange and return its result; see :func:`run_batched`."""
    (result,) = run_batched([exchange], send)
    return result


def run_batched(exchanges: Sequence[Exchange], send: Send) -> list[Any]:
    """Run exchanges in shared calls of the engine and return their results in order.

    A failed exchange has a result with ``failed``, ``error_code`` and ``msg``. It does not stop the others.

    :param send: calls the engine. On a node it is a function, on the controller the execution of a module.
    """
    runs = [_Run(exchange) for exchange in exchanges]
    try:
        _call(runs, [each.step(each.exchange.request) for each in runs], send)
        _call(runs, [each.step(each.exchange.supply, each.outcomes) for each in runs], send)
        return [each.result(send) for each in runs]
    finally:
        for each in runs:
            each.close()


class _Run:
    """The state of one exchange in a batch. :ivar outcomes: of its last request."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.outcomes: Outcomes = []
        self._failure: dict[str, Any] | None = None
        self._is_closed = False

    def step(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of a step; None if the exchange has failed."""
        if self._failure is not None:
            return None
        try:
            return work(*arguments)
        except GridSecurityError as error:
            self._failure = failure(error)
            self.close()
            return None

    def result(self, send: Send) -> Any:
        result = self.step(self.exchange.result, self.outcomes, send)
        self.close()
        return result if self._failure is None else self._failure

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.exchange.close()


def _call(runs: list[_Run], requests: list[Request | None], send: Send) -> None:
    """Send all requests in one call, and give each exchange its outcomes. Nothing to ask is no call."""
    sent = [request or Request([]) for request in requests]
    sets = [file_set for request in sent for file_set in request.sets]
    contents = {digest: content for request in sent for digest, content in request.contents.items()}
    outcomes = iter(send(sets, contents) if sets else ())
    for each, request in zip(runs, sent):
        each.outcomes = [next(outcomes) for _set in request.sets]
