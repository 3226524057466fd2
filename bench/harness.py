# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure whole commands in turns. Each figure is a ratio to the floor of the same run. No time is a limit.

This process stays small on purpose. A child process starts with the size of its parent, and the kernel counts this
size as the peak of the child.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ALWAYS = sys.maxsize
Figures = dict[str, float]


@dataclass(frozen=True)
class Case:
    """Describe one measured command, and the commands before it that make its initial state (not measured).

    :param changes: whether the command must change something on each host; None: not checked.
    :param about: values for the plots, for example the number of users.
    :param probe: returns more figures about the run that has just ended.
    :param prints: whether the length of the output is a figure.
    """

    name: str
    command: list[str]
    prepare: list[list[str]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    changes: bool | None = None
    probe: Callable[[], Figures] | None = None
    prints: bool = False


@dataclass(frozen=True)
class Comparison:
    """Group the cases that are compared with each other and with a floor.

    :param sequences: each case of a sequence starts in the state that the case before it left. Sequences take turns.
    :param rounds: the largest number of rounds, for commands that take many minutes.
    :param iterations: PBKDF2 iterations of the stored keys, for the caption; None: no keys, or several numbers.
    """

    title: str
    floor: Case
    sequences: list[list[Case]]
    rounds: int = ALWAYS
    iterations: int | None = None


class Failed(Exception):
    """Report a command that failed. Its time says nothing about its cost."""


def measure(comparison: Comparison, rounds: int) -> dict[str, Any]:
    """Run the comparison in rounds. Each round starts with another sequence. The floor runs before each sequence."""
    figures: dict[str, list[Figures]] = {}
    run(comparison.floor.command)  # opens connections
    for number in range(min(rounds, comparison.rounds)):
        for sequence in _rotated(comparison.sequences, number):
            for case in [comparison.floor, *sequence]:
                figures.setdefault(case.name, []).append(_measure_one(case))
    cases = [comparison.floor, *(case for sequence in comparison.sequences for case in sequence)]
    base = _medians(figures[comparison.floor.name])
    return {
        "title": comparison.title,
        "iterations": comparison.iterations,
        "floor": comparison.floor.name,
        "cases": {case.name: _summary(figures[case.name], base, case.about) for case in cases},
    }


def _rotated(sequences: list[list[Case]], number: int) -> list[list[Case]]:
    start = number % len(sequences)
    return sequences[start:] + sequences[:start]


def _measure_one(case: Case) -> Figures:
    for command in case.prepare:
        run(command)
    found = run(case.command, case.changes)
    if not case.prints:
        del found["output_bytes"]
    if case.probe:
        found.update(case.probe())
    print(f"{case.name}: {' '.join(f'{name} {value}' for name, value in found.items())}", file=sys.stderr, flush=True)
    return found


def run(command: list[str], changes: bool | None = None) -> Figures:
    """Run a command; return its elapsed time, its processor time and its largest process, with those of its children.

    Processes that outlive the command do not count, such as connections that ssh keeps open for the next command.
    """
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        _pid, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        said = output.read().decode(errors="replace")
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)} failed:\n{_worth_reading(said)}")
    if changes is not None and {changes} != {number != "0" for number in re.findall(r" changed=(\d+) ", said)}:
        raise Failed(f"{' '.join(command)}: changed is not always {changes}:\n{_worth_reading(said)}")
    cpu = usage.ru_utime + usage.ru_stime
    figures = {"seconds": round(seconds, 3), "cpu": round(cpu, 3), "peak_mib": round(usage.ru_maxrss / 1024, 1)}
    return {**figures, "output_bytes": len(said.encode())}


def _worth_reading(said: str) -> str:
    """Return the last lines of the output, each cut to 300 characters: results of tasks are longer."""
    return "\n".join(line[:300] for line in said.splitlines()[-60:])


def _medians(runs: list[Figures]) -> Figures:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _summary(runs: list[Figures], base: Figures, about: dict[str, Any]) -> dict[str, Any]:
    """Return medians, and the ratio to the floor's median, with lowest and highest, for each figure of the floor."""
    medians = _medians(runs)
    ratios = {
        name: {
            "median": round(medians[name] / base[name], 2),
            "lowest": round(min(run[name] for run in runs) / base[name], 2),
            "highest": round(max(run[name] for run in runs) / base[name], 2),
        }
        for name in medians
        if base.get(name)
    }
    return {"about": about, "runs": len(runs), "medians": medians, "ratios": ratios}
