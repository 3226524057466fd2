# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work a file asks for before it opens: the rounds of its key derivations, read before anything is derived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.grid.security.plugins.module_utils import der
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["SCRYPT", "refuse_bombs", "rounds"]

SCRYPT = "1.3.6.1.4.1.11591.4.11"


def refuse_bombs(asked: Iterable[int], limit: int, name: str) -> None:
    """:raises GridSecurityError: ``kdf_limit``: one of ``asked`` is more than ``limit`` rounds."""
    for number in asked:
        if number > limit:
            raise GridSecurityError(
                "kdf_limit",
                f"{name}: it asks for {number} rounds of key derivation, and the limit is {limit}."
                " If the file can be trusted, raise max_kdf_iterations.",
            )


def rounds(algorithm: der.Element) -> Iterator[int]:
    """All integers within an algorithm's parameters: rounds, key lengths, scrypt's cost. None may be enormous.

    scrypt's work grows with N * r * p; its product counts as rounds.
    """
    numbers = [element.integer() for element in algorithm.walk() if element.tag == der.INTEGER]
    yield from numbers
    if any(element.tag == der.OBJECT_IDENTIFIER and element.oid() == SCRYPT for element in algorithm.walk()):
        product = 1
        for number in numbers[:3]:
            product *= max(number, 1)
        yield product
