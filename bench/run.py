# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure suites on the nodes of the cluster, and keep the results: run.py [SUITE...] [--rounds N]."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from typing import Any

import machine
import workload
from harness import Failed, measure
from places import ANSIBLE_HOME, RESULTS

SUITES = ("trust", "credentials", "node", "growth", "vault", "memory", "render")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured at most")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="comparisons with this in their title; keeps nothing"
    )
    chosen = parser.parse_args()
    os.environ["ANSIBLE_HOME"] = str(ANSIBLE_HOME)
    workload.make()
    failed = [name for name in chosen.suites or SUITES if not _run(name, chosen.rounds, chosen.only)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(name: str, rounds: int, only: str) -> bool:
    """Whether it could be measured; what was found before it failed is not kept, as it may be for the same reason."""
    suite = importlib.import_module(f"suites.{name}")
    print(f"== {name}", file=sys.stderr, flush=True)
    try:
        comparisons = [one for one in suite.comparisons() if only in one.title]
        result = {"machine": machine.describe(), "comparisons": [measure(one, rounds) for one in comparisons]}
    except Failed as error:
        print(error, file=sys.stderr, flush=True)
        return False
    finally:
        getattr(suite, "clean", lambda: None)()
    if not only:
        _save(name, result)
    return True


def _save(name: str, result: dict[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
