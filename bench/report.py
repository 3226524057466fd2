# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the results into docs/performance.md, between its markers, and draw docs/plots: report.py."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import plots
import sizing
from places import DOCS, RESULTS

Results = dict[str, Any]


def main() -> None:
    page = DOCS / "performance.md"
    results = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    text = page.read_text()
    for name, write in _sections(results).items():
        text = _between(text, name, write())
    page.write_text(text)
    plots.draw(results)


def _sections(results: Results) -> dict[str, Callable[[], str]]:
    """What stands between the markers of each name, for the suites that have been run."""
    sections: dict[str, Callable[[], str]] = {
        name: lambda result=result: suite(result)  # type: ignore[misc]
        for name, result in results.items()
    }
    if results:
        sections["machine"] = lambda: machine(next(iter(results.values()))["machine"])
    if "growth" in results:
        sections["sizing"] = lambda: sizing.table(results["growth"])
    return sections


def _between(text: str, name: str, content: str) -> str:
    """The text with this content between the markers, which a page may lack."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    return re.sub(f"{start}.*?{end}", lambda _match: f"{start}\n{content}\n{end}", text, flags=re.DOTALL)


def suite(result: dict[str, Any]) -> str:
    """A table for each comparison."""
    return "\n".join(f"\n**{one['title']}**\n\n{comparison(one)}\n" for one in result["comparisons"])


def comparison(one: dict[str, Any]) -> str:
    """Ratios to the floor with their spread; and the figures of this machine, to see what the ratios are of."""
    head = f"| | ratio to {one['floor']} | lowest to highest | runs | s | CPU s | largest process, MiB |"
    extra = sorted({name for case in one["cases"].values() for name in case["medians"]} - _USUAL)
    lines = [head + "".join(f" {name} |" for name in extra), "|---|---|---|---|---|---|---|" + "---|" * len(extra)]
    return "\n".join([*lines, *(_row(name, case, extra) for name, case in one["cases"].items())])


_USUAL = {"seconds", "cpu", "peak_mib"}


def _row(name: str, case: dict[str, Any], extra: list[str]) -> str:
    ratio, medians = case["ratios"]["seconds"], case["medians"]
    cells = [name, f"{ratio['median']:.2f}", f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}", case["runs"]]
    cells += [f"{medians[figure]:.1f}" for figure in ("seconds", "cpu", "peak_mib")]
    cells += [f"{medians[figure]:.1f}" if figure in medians else "" for figure in extra]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def machine(described: dict[str, Any]) -> str:
    """The machine as a list."""
    return "\n".join(f"- {name}: {_shown(value)}" for name, value in described.items())


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return "; ".join(value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    main()
