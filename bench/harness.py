# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole commands, measured in turns: every figure is a ratio to the floor of the same run, never a time to be met."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ALWAYS = sys.maxsize


@dataclass(frozen=True)
class Case:
    """A command, and one before it that brings about the state it starts from (not measured).

    :param rounds: at most so many measurements, for what takes minutes.
    """

    name: str
    command: list[str]
    prepare: list[str] | None = None
    rounds: int = ALWAYS


def measure(cases: list[Case], rounds: int, floor: str) -> dict[str, Any]:
    """Run the cases in turns and return medians and spreads: seconds, and ratios to the case called ``floor``."""
    seconds: dict[str, list[float]] = {case.name: [] for case in cases}
    for number in range(rounds):
        for case in cases:
            if number < case.rounds:
                if case.prepare:
                    _run(case.prepare)
                seconds[case.name].append(_run(case.command))
    base = statistics.median(seconds[floor])
    return {
        "machine": _machine(),
        "floor": floor,
        "cases": {name: _summary(all, base) for name, all in seconds.items()},
    }


def _run(command: list[str]) -> float:
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - start


def _summary(values: list[float], base: float) -> dict[str, Any]:
    median = statistics.median(values)
    return {
        "runs": len(values),
        "seconds": round(median, 2),
        "ratio": round(median / base, 2),
        "lowest": round(min(values) / base, 2),
        "highest": round(max(values) / base, 2),
    }


def _machine() -> dict[str, Any]:
    return {"system": platform.system(), "processors": os.cpu_count(), "python": platform.python_version()}


def table(result: dict[str, Any]) -> str:
    """The result in Markdown."""
    lines = [f"| | ratio to {result['floor']} | lowest to highest | runs |", "|---|---|---|---|"]
    for name, one in result["cases"].items():
        lines.append(f"| {name} | {one['ratio']} | {one['lowest']} to {one['highest']} | {one['runs']} |")
    return "\n".join(lines)


def save(result: dict[str, Any], path: Path) -> None:
    """Keep the result, and show it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(table(result))
