# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimate the time of a run with nothing to do for many nodes, from the processor time that one node costs.

The controller's processors are the limit: with enough forks, Ansible waits for many nodes at the same time. So the
time is hosts × seconds of processor time per host ÷ cores. The forks are the number that keeps all cores busy.
"""

from __future__ import annotations

import math
from typing import Any

HOSTS = (100, 1_000, 10_000)
CORES = 8  # of a controller
LIMIT = 600.0  # seconds that a run may take


def per_host(growth: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return, for each case, the processor time of one host and an upper bound of its elapsed time, in seconds.

    The processor time is that of a command with many hosts without the cost of the command itself. This cost is the
    floor of the smallest comparison, counted once. The upper bound is the elapsed time of a whole command.
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
    """Return a table of seconds, forks and controllers for each number of nodes."""
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
