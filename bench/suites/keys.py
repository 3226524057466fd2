# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what iterations cost the controller: for each conversion, and once per run for the persistent cache."""

from __future__ import annotations

import workload
from harness import Case, Comparison
from places import WORK
from sites import Site, forget, local

USERS = (1, 20)
ITERATIONS = (100_000, workload.ITERATIONS)  # the default of release 0.1.0, and the present default
_DIRECTORY = WORK / "keys"


def comparisons() -> list[Comparison]:
    return list(map(_comparison, USERS))


def _comparison(users: int) -> Comparison:
    """Compare on this machine alone, so that no node takes processor time from the controller."""
    sequences = [_sequence(users, number) for number in ITERATIONS]
    title = f"{users} user{'s' if users > 1 else ''}, by iterations of the stored key"
    return Comparison(title, Case("ping", Site("keys", local(1)).play("ping")), sequences)


def _sequence(users: int, number: int) -> list[Case]:
    items = []
    for item in workload.credentials(users):
        owner = item.pop("owner")
        items.append({**item, "directory": str(_DIRECTORY / owner), "kdf_iterations": number})
    play = Site(f"keys-{users}-{number}", local(1), user_credentials=items).play("credentials/grid_security")
    about = {"users": users, "iterations": number}
    clear = [["rm", "-rf", str(_DIRECTORY)], forget()]
    return [
        Case(f"{number:,} iterations, first", play, clear, about={**about, "step": "first"}, changes=True),
        Case(f"{number:,} iterations, nothing to do", play, about={**about, "step": "nothing to do"}, changes=False),
    ]
