# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run with nothing to do takes on controllers for many nodes, from the processor time that one node costs.

The controller's processors are what runs out first: with enough forks, waiting for nodes happens side by side. So the
time is hosts × seconds of processor time per host ÷ cores, and as many forks are needed as keep the cores busy.
"""

from __future__ import annotations

import math
from typing import Any

HOSTS = (100, 1_000, 10_000)
CORES = 8  # of a controller
LIMIT = 600.0  # seconds that a run may take


def per_host(growth: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Processor time of one host, with many hosts, less what one command costs; and an upper bound of its time by the
    clock, which is that of a whole command; in seconds, by case.

    What a command costs before its first host is that of the smallest comparison's floor, counted once.
    """
    (comparison,) = [one for one in growth["comparisons"] if one["title"].startswith("Controller")]
    users = next(one for one in growth["comparisons"] if one["title"] == "Users")
    floor = users["cases"][users["floor"]]["medians"]
    found = {}
    for name, case in comparison["cases"].items():
        hosts = case["about"]["hosts"]
        found[name] = ((case["medians"]["cpu"] - floor["cpu"]) / (hosts - 3), floor["seconds"])
    return found


def table(growth: dict[str, Any]) -> str:
    """By number of nodes: seconds, forks, controllers for a run within the limit."""
    lines = [
        f"| | nodes | s on {CORES} cores | forks at most | controllers for {LIMIT:.0f} s |",
        "|---|---|---|---|---|",
    ]
    for name, (cpu, round_trip) in per_host(growth).items():
        for hosts in HOSTS:
            seconds = hosts * cpu / CORES
            forks = math.ceil(CORES * round_trip / cpu)
            lines.append(f"| {name} | {hosts:,} | {seconds:.0f} | {forks} | {math.ceil(seconds / LIMIT)} |")
    return "\n".join(lines)
