# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of IGTF placed by what users would pick: first, again, one CA changed, after the release before."""

from __future__ import annotations

import nodes
import workload
from harness import ALWAYS, Case, Comparison
from sites import Site

_ROUNDS = {"copy": 1, "loop": 1}  # minutes per run
_FEW = ("copy", "loop")  # what these would show in further steps they have shown in the first


def comparisons() -> list[Comparison]:
    site = Site("trust")
    nodes.add_repository(site)
    sequences = [_sequence(site, peer) for peer in ("grid_security", "unarchive", "synchronize", "copy", "loop")]
    return [Comparison("A release of IGTF", Case("ping", site.play("ping")), [*sequences, _packages(site)])]


def clean() -> None:
    nodes.remove_repository(Site("trust"))


def _sequence(site: Site, peer: str) -> list[Case]:
    def case(step: str, release: str, prepare: list[list[str]], changes: bool = True) -> Case:
        command, about = _play(site, peer, release), {"peer": peer, "step": step}
        return Case(f"{peer}, {step}", command, prepare, _ROUNDS.get(peer, ALWAYS), about, changes)

    clear = site.shell(nodes.NO_ANCHORS)
    cases = [case("first", "new", [clear]), case("nothing to do", "new", [], changes=False)]
    if peer in _FEW:
        return cases
    upgrade = case("upgrade", "new", [clear, _play(site, peer, "old")])
    return [*cases, case("one changed", "changed", []), upgrade]


def _play(site: Site, peer: str, release: str) -> list[str]:
    directories = {"bench_release": str(workload.release(release)), "bench_laid_out": str(workload.laid_out(release))}
    return site.play(f"trust/{peer}", **directories)


def _packages(site: Site) -> list[Case]:
    """The distribution's packages, which cannot differ in one CA."""
    play, clear = site.play("trust/package"), site.shell(nodes.NO_PACKAGES)
    old = site.shell(nodes.old_packages())
    about = {"peer": "package"}
    return [
        Case("package, first", play, [clear], about={**about, "step": "first"}, changes=True),
        Case("package, nothing to do", play, about={**about, "step": "nothing to do"}, changes=False),
        # Other peers must not find the links that the packages make, nor dpkg what they leave.
        Case("package, upgrade", play, [clear, old], about={**about, "step": "upgrade"}, changes=True),
    ]
