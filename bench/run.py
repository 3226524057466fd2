# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure suites on the nodes of the cluster, and keep the results. Usage: run.py [SUITE...] [--rounds N]."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import machine
import workload
from harness import Failed, measure
from places import ANSIBLE_HOME, RESULTS

SUITES = ("trust", "copy", "credentials", "node", "growth", "vault", "memory", "render", "keys", "output")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=5, help="the largest number of measurements of each case")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="measure comparisons with TEXT in the title; keep the other results"
    )
    chosen = parser.parse_args()
    os.environ["ANSIBLE_HOME"] = str(ANSIBLE_HOME)
    workload.make()
    failed = [name for name in chosen.suites or SUITES if not _run(name, chosen.rounds, chosen.only)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(name: str, rounds: int, only: str) -> bool:
    """Measure one suite, and return whether it is complete. Each comparison is kept as soon as it is measured."""
    suite = importlib.import_module(f"suites.{name}")
    print(f"== {name}", file=sys.stderr, flush=True)
    path, described = RESULTS / f"{name}.json", machine.describe()
    try:
        comparisons = suite.comparisons()
        found = _found_before(path, described) if only else {}
        for chosen in [comparison for comparison in comparisons if only in comparison.title]:
            found[chosen.title] = measure(chosen, rounds)
            known = [found[other.title] for other in comparisons if other.title in found]
            path.write_text(json.dumps({"machine": described, "comparisons": known}, indent=1) + "\n")
    except Failed as error:
        print(error, file=sys.stderr, flush=True)
        return False
    finally:
        getattr(suite, "clean", lambda: None)()
    return True


def _found_before(path: Path, described: dict[str, Any]) -> dict[str, Any]:
    """Return the comparisons by title, if they were measured on the same machine with the same software."""
    known = json.loads(path.read_text()) if path.exists() else {"machine": None}
    return {one["title"]: one for one in known["comparisons"]} if known["machine"] == described else {}


if __name__ == "__main__":
    main()
