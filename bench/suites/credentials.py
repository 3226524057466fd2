# SPDX-License-Identifier: GPL-3.0-or-later
"""Users' credentials placed by what users would pick: first, again, one renewed, all renewed."""

from __future__ import annotations

import nodes
import workload
from harness import ALWAYS, Case, Comparison
from places import WORK
from sites import Site

STEPS = ("first", "nothing to do", "one renewed", "all renewed")
PEERS = ("grid_security", "wiki", "community_crypto", "shell")
_FEW = STEPS[:2]


def comparisons() -> list[Comparison]:
    nodes.run(Site("ping"), nodes.ACCOUNTS)
    return [
        _comparison("1 user", "openssl", 1, dict.fromkeys(PEERS, (_FEW, ALWAYS))),
        _comparison("10 users", "openssl", 10, _sequences(wiki=(_FEW, 2), community_crypto=(_FEW, 2), shell=(_FEW, 5))),
        _comparison(
            "50 users", "openssl", 50, _sequences(wiki=(_FEW, 1), community_crypto=(_FEW, 1), shell=(STEPS, 5))
        ),
        _comparison("50 users, 600,000 rounds", "firefox", 50, _sequences(shell=(_FEW, 3)), rounds=3),
    ]


Chosen = dict[str, tuple[tuple[str, ...], int]]


def _sequences(**peers: tuple[tuple[str, ...], int]) -> Chosen:
    """By peer: what is measured, and how often at most, because some take minutes."""
    return {"grid_security": (STEPS, ALWAYS), **peers}


def _comparison(title: str, style: str, count: int, chosen: Chosen, rounds: int = ALWAYS) -> Comparison:
    sites = {step: _site(style, count, step) for step in STEPS}
    sequences = []
    for peer, (steps, most) in chosen.items():
        clear = [sites["first"].shell(nodes.NO_CREDENTIALS), ["rm", "-rf", str(WORK / "converted")]]
        sequences.append([_case(peer, sites[step], step, clear if step == "first" else [], most) for step in steps])
    return Comparison(title, Case("ping", sites["first"].play("ping")), sequences, rounds)


def _case(peer: str, site: Site, step: str, prepare: list[list[str]], rounds: int) -> Case:
    variables = {"bench_archives": str(site.beside("archives.tar")), "bench_converted": str(WORK / "converted")}
    command = site.play(f"credentials/{peer}", **variables)
    rewrites = peer in ("wiki", "shell")
    about = {"peer": peer, "step": step}
    return Case(f"{peer}, {step}", command, prepare, rounds, about, changes=rewrites or step != "nothing to do")


def _site(style: str, count: int, step: str) -> Site:
    items = workload.credentials(count, style)
    renewed = {"one renewed": 1, "all renewed": count}.get(step, 0)
    items[:renewed] = workload.credentials(renewed, style, "renewed")
    site = Site(f"credentials-{style}-{count}-{step.replace(' ', '-')}", user_credentials=items)
    workload.bundle(site.beside("archives.tar"), items)
    return site
