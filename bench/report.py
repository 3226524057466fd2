# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the results between the markers of docs/performance.md, and draw docs/plots. Usage: report.py."""

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
    """Return a writer for each pair of markers, for the suites that have results."""
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
    """Return the text with this content between the markers. A page without these markers stays as it is."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    return re.sub(f"{start}.*?{end}", lambda _match: f"{start}\n{content}\n{end}", text, flags=re.DOTALL)


def suite(result: dict[str, Any]) -> str:
    """Return a caption and a table for each comparison."""
    return "\n".join(f"\n{_caption(found)}\n\n{comparison(found)}\n" for found in result["comparisons"])


def _caption(found: dict[str, Any]) -> str:
    """Return the title, with the iterations of the stored keys if all cases have the same number."""
    title, iterations = f"**{found['title']}**", found.get("iterations")
    return f"{title} (stored keys with {iterations:,} iterations)" if iterations else title


def comparison(found: dict[str, Any]) -> str:
    """Return a table: the ratios to the floor with lowest and highest, and the figures of this machine."""
    head = f"| | ratio to {found['floor']} | lowest to highest | runs | s | CPU s | largest process, MiB |"
    extra = sorted({name for case in found["cases"].values() for name in case["medians"]} - _USUAL)
    lines = [head + "".join(f" {name} |" for name in extra), "|---|---|---|---|---|---|---|" + "---|" * len(extra)]
    return "\n".join([*lines, *(_row(name, case, extra) for name, case in found["cases"].items())])


_USUAL = {"seconds", "cpu", "peak_mib"}


def _row(name: str, case: dict[str, Any], extra: list[str]) -> str:
    ratio, medians = case["ratios"]["seconds"], case["medians"]
    cells = [name, f"{ratio['median']:.2f}", f"{ratio['lowest']:.2f} to {ratio['highest']:.2f}", case["runs"]]
    cells += [f"{medians[figure]:.1f}" for figure in ("seconds", "cpu", "peak_mib")]
    cells += [f"{medians[figure]:.1f}" if figure in medians else "" for figure in extra]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def machine(described: dict[str, Any]) -> str:
    """Return the description of the machine as a list."""
    return "\n".join(f"- {name}: {_shown(value)}" for name, value in described.items())


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return "; ".join(value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    main()
