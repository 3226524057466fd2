# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare tools that place users' credentials: first, with nothing to do, with one and with all renewed."""

from __future__ import annotations

import nodes
import workload
from harness import Case, Comparison
from places import WORK
from sites import Site, forget

STEPS = ("first", "nothing to do", "one renewed", "all renewed")
_AGAIN = STEPS[:2]
_ONE_STEP = STEPS[:1]  # for tools that rewrite everything in each run: the other steps cost the same
Chosen = dict[str, tuple[str, ...]]  # the steps of each tool
_ALONE: Chosen = {
    "grid_security": _AGAIN,
    "shell": _ONE_STEP,
    "wiki": _ONE_STEP,
    "community_crypto": _AGAIN,
}
_SEVERAL: Chosen = {**_ALONE, "grid_security": STEPS}
_MANY: Chosen = {**_SEVERAL, "community_crypto": _ONE_STEP}  # minutes per run
_FIREFOX: Chosen = {name: _ALONE[name] for name in ("grid_security", "shell")}


def comparisons() -> list[Comparison]:
    nodes.run(Site("ping"), nodes.ACCOUNTS)
    return [
        _comparison("1 user", "openssl", 1, _ALONE),
        _comparison("10 users", "openssl", 10, _SEVERAL),
        _comparison("50 users", "openssl", 50, _MANY),
        _comparison("50 users, archives with 600,000 iterations", "firefox", 50, _FIREFOX),
    ]


def _comparison(title: str, style: str, count: int, chosen: Chosen) -> Comparison:
    sites = {step: _site(style, count, step) for step in STEPS}
    sequences = []
    for peer, steps in chosen.items():
        clear = [sites["first"].shell(nodes.NO_CREDENTIALS), ["rm", "-rf", str(WORK / "converted")], forget()]
        sequences.append([_case(peer, sites[step], step, clear if step == "first" else []) for step in steps])
    return Comparison(title, Case("ping", sites["first"].play("ping")), sequences, iterations=workload.ITERATIONS)


def _case(peer: str, site: Site, step: str, prepare: list[list[str]]) -> Case:
    variables = {"bench_archives": str(site.beside("archives.tar")), "bench_converted": str(WORK / "converted")}
    command = site.play(f"credentials/{peer}", **variables)
    rewrites = peer in ("wiki", "shell")
    about = {"peer": peer, "step": step}
    return Case(f"{peer}, {step}", command, prepare, about=about, changes=rewrites or step != "nothing to do")


def _site(style: str, count: int, step: str) -> Site:
    items = workload.credentials(count, style)
    renewed = {"one renewed": 1, "all renewed": count}.get(step, 0)
    items[:renewed] = workload.credentials(renewed, style, "renewed")
    site = Site(f"credentials-{style}-{count}-{step.replace(' ', '-')}", user_credentials=items)
    workload.bundle(site.beside("archives.tar"), items)
    return site
