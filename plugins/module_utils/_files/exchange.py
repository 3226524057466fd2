# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations with the engine: generators that ask for file sets and are told what became of them.

A conversation reads from top to bottom like the work it does: ``outcomes = yield Request(sets)`` compares, a second
request changes what differs, ``return`` says what to tell the user. Several are held in step, so that what they ask for
at the same time travels in one call.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["Conversation", "Request", "Send", "hold", "together"]

Send = Callable[[list[dict[str, Any]], dict[str, str]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Request:
    """What the engine is asked: file sets, and the contents that they need in Base64 by SHA-256.

    The answer is an outcome for each set, in order; see :func:`engine.converge`.
    """

    sets: list[dict[str, Any]]
    contents: dict[str, str] = field(default_factory=dict)

    def in_parts(self, most: int) -> Iterator[Request]:
        """The same in requests that have contents of at most so many characters, unless a single set needs more."""
        sets: list[dict[str, Any]] = []
        contents: dict[str, str] = {}
        size = 0
        for one in self.sets:
            own = {entry["sha256"]: self.contents[entry["sha256"]] for entry in one["entries"] if self._has(entry)}
            needed = sum(map(len, own.values()))
            if sets and size + needed > most:
                yield Request(sets, contents)
                sets, contents, size = [], {}, 0
            sets.append(one)
            contents.update(own)
            size += needed
        if sets:
            yield Request(sets, contents)

    def _has(self, entry: dict[str, Any]) -> bool:
        return entry.get("sha256") in self.contents


Conversation = Generator[Request, list[dict[str, Any]], Any]


def hold(conversation: Conversation, send: Send) -> Any:
    """Hold a conversation and return its result; a failed one, if it ends in a :exc:`GridSecurityError`.

    :param send: the engine: on a node the function, on the controller the execution of the module.
    """
    return _hold(together([conversation]), send)[0]


def _hold(conversation: Conversation, send: Send) -> Any:
    answer: Any = None
    while True:
        try:
            request = conversation.send(answer)
        except StopIteration as end:
            return end.value
        answer = send(request.sets, request.contents) if request.sets else []


def together(conversations: list[Conversation]) -> Conversation:
    """Hold several in step, as one conversation that returns their results in order.

    One that ends in a :exc:`GridSecurityError` has a failed result, and does not stop the others.
    """
    results: list[Any] = [None] * len(conversations)
    answers: dict[int, Any] = dict.fromkeys(range(len(conversations)))
    while answers:
        requests = {}
        for index, answer in answers.items():
            try:
                requests[index] = conversations[index].send(answer)
            except StopIteration as end:
                results[index] = end.value
            except GridSecurityError as error:
                results[index] = {
                    "changed": False,
                    "failed": True,
                    "error_code": error.error_code,
                    "msg": error.message,
                }
        outcomes = iter((yield _merged(requests.values())) if requests else ())
        answers = {index: [next(outcomes) for _set in request.sets] for index, request in requests.items()}
    return results


def _merged(requests: Iterable[Request]) -> Request:
    sets = [one for request in requests for one in request.sets]
    return Request(sets, {digest: text for request in requests for digest, text in request.contents.items()})
