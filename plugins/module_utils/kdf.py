# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work a file asks for before it opens: the rounds of its key derivations, read before anything is derived."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from ansible_collections.grid.security.plugins.module_utils import der
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["PBKDF2", "SCRYPT", "refuse_bombs", "rounds"]

PBKDF2 = "1.2.840.113549.1.5.12"
SCRYPT = "1.3.6.1.4.1.11591.4.11"
_KEY_BYTES = 64  # as long as a key may be without more work


def refuse_bombs(asked: Iterable[int], limit: int, name: str) -> None:
    """:raises GridSecurityError: ``kdf_limit``: ``asked`` is more than ``limit`` rounds all together."""
    total = sum(max(number, 0) for number in asked)
    if total > limit:
        raise GridSecurityError(
            "kdf_limit",
            f"{name}: it asks for {total} rounds of key derivation, and the limit is {limit}."
            " If the file can be trusted, raise max_kdf_iterations.",
        )


def rounds(algorithm: der.Element) -> Iterator[int]:
    """All integers within an algorithm's parameters: rounds, key lengths, scrypt's cost. None may be enormous.

    scrypt's work grows with N * r * p, that of PBKDF2 with the length of the key; their products count as rounds.
    """
    yield from _integers(algorithm)
    for scheme in algorithm.walk():
        oid = scheme.children[0].oid() if scheme.children and scheme.children[0].tag == der.OBJECT_IDENTIFIER else None
        numbers = [max(number, 1) for number in _integers(scheme)]
        if oid == SCRYPT:
            yield math.prod(numbers[:3])
        elif oid == PBKDF2 and len(numbers) > 1:
            yield numbers[0] * (numbers[1] // _KEY_BYTES)


def _integers(element: der.Element) -> list[int]:
    return [one.integer() for one in element.walk() if one.tag == der.INTEGER]
