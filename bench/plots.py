# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw how cost grows, as SVG in docs/plots. The same results give the same bytes."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib import pyplot
from places import DOCS

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "grid.security"
matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text

Line = list[tuple[float, float]]


def draw(results: dict[str, Any]) -> None:
    """Draw all plots, if the results of the suite ``growth`` exist."""
    if "growth" not in results:
        return
    comparisons = {one["title"]: one for one in results["growth"]["comparisons"]}
    _plot("users", "users per node", _by_step(comparisons["Users"], "users"))
    _plot("anchors", "trust anchors", _by_step(comparisons["Trust anchors"], "anchors"))
    _plot("hosts", "hosts", hosts(results["growth"]))


def _by_step(comparison: dict[str, Any], size: str) -> dict[str, Line]:
    lines: dict[str, Line] = {"ping": []}
    for case in comparison["cases"].values():
        if size in case["about"]:
            lines.setdefault(case["about"]["step"], []).append((case["about"][size], case["medians"]["seconds"]))
    floor = comparison["cases"][comparison["floor"]]["medians"]["seconds"]
    sizes = [at for at, _seconds in lines.get("nothing to do", [])]
    lines["ping"] = [(at, floor) for at in sizes]
    return lines


def hosts(growth: dict[str, Any]) -> dict[str, Line]:
    """Return seconds over hosts, for each step and number of forks."""
    lines: dict[str, Line] = {}
    for comparison in growth["comparisons"]:
        for case in comparison["cases"].values():
            about = case["about"]
            if "forks" in about:
                name = f"{about.get('step', 'ping')}, {about['forks']} forks"
                lines.setdefault(name, []).append((about["hosts"], case["medians"]["seconds"]))
    return lines


def _plot(name: str, unit: str, lines: dict[str, Line]) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for label, line in sorted(lines.items()):
        axes.plot(*zip(*sorted(line)), marker="o", label=label)
    axes.set(xlabel=unit, ylabel="seconds, whole command", xscale="log", yscale="log")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend()
    (DOCS / "plots").mkdir(exist_ok=True)
    figure.savefig(DOCS / "plots" / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)
