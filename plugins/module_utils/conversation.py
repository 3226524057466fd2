# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conversations with the engine: generators that ask for file sets and are told what became of them.

A conversation reads from top to bottom like the work it does: ``outcomes = yield Request(sets)`` compares, a second
request changes what differs, ``return`` says what to tell the user. Several are held in step, so that what they ask for
at the same time travels in one call.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["Conversation", "Request", "Send", "hold"]

Send = Callable[[list[dict[str, Any]], dict[str, str]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Request:
    """What the engine is asked: file sets, and the contents that they need in Base64 by SHA-256.

    The answer is an outcome for each set, in order; see :func:`file_set.converge`.
    """

    sets: list[dict[str, Any]]
    contents: dict[str, str] = field(default_factory=dict)


Conversation = Generator[Request, list[dict[str, Any]], Any]


def hold(conversations: list[Conversation], send: Send) -> list[Any]:
    """Hold all conversations, with one call for each step, and return their results in order.

    One that ends in a :exc:`GridSecurityError` has a failed result, and does not stop the others.

    :param send: the engine: on a node the function, on the controller the execution of the module.
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
                results[index] = {"changed": False, "failed": True, "kind": error.kind, "msg": error.message}
        answers = _answer(requests, send)
    return results


def _answer(requests: dict[int, Request], send: Send) -> dict[int, list[dict[str, Any]]]:
    sets = [one for request in requests.values() for one in request.sets]
    contents = {digest: text for request in requests.values() for digest, text in request.contents.items()}
    outcomes = iter(send(sets, contents) if sets else [])
    return {index: [next(outcomes) for _set in request.sets] for index, request in requests.items()}
