# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the largest process on the controller and on the node, with 500 users."""

from __future__ import annotations

import re
import subprocess

import nodes
import workload
from harness import Case, Comparison, Figures, run
from places import BENCH
from sites import Site, forget

from suites.node import whole

_PYTHON, _PEAK = "/usr/local/bin/bench-python", "/run/bench-peak"


def comparisons() -> list[Comparison]:
    """Start the node's Python by a program that records the peak of its memory."""
    site = whole("memory", 500)
    nodes.run(site, nodes.ACCOUNTS)
    source = str(BENCH / "on_node/note_peak.py")
    run(site.module("ansible.builtin.copy", src=source, dest=_PYTHON, mode="0755"))

    def peak() -> Figures:
        said = subprocess.run(site.shell(f"cat {_PEAK}"), check=True, capture_output=True, text=True).stdout
        return {"node_peak_mib": max(int(line) for line in re.findall(r"^\d+$", said, re.MULTILINE)) / 1024}

    def case(name: str, playbook: str, *before: str, role: str = "") -> Case:
        prepare = [site.shell(script) for script in (*before, f"rm -f {_PEAK}")]
        prepare += [forget()] if before else []
        command = site.play(playbook, ansible_python_interpreter=_PYTHON, bench_role=role)
        return Case(name, command, prepare, about={"step": name}, probe=peak)

    users = [
        case("500 users, first", "role", nodes.NO_CREDENTIALS, role="user_credentials"),
        case("500 users, nothing to do", "role", role="user_credentials"),
    ]
    node = [
        case("node with 500 users, first", "role", nodes.NOTHING, role="node"),
        case("node with 500 users, nothing to do", "role", role="node"),
    ]
    return [Comparison("Largest process", case("ping", "ping"), [users, node], iterations=workload.ITERATIONS)]


def clean() -> None:
    nodes.run(Site("memory"), f"rm -f {_PYTHON} {_PEAK}")
