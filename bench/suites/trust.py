# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of IGTF placed by what users would pick: first, again, one CA changed, after the release before."""

from __future__ import annotations

import nodes
import workload
from harness import Case, Comparison
from sites import Site, forget

_STEPS = ("first", "nothing to do", "one changed", "upgrade")
_AGAIN = _STEPS[:2]
_FIRST = _STEPS[:1]
_FAST = ("grid_security", "unarchive", "synchronize")
_SLOW = ("copy", "loop")  # a round trip or more for each file


def comparisons() -> list[Comparison]:
    site = Site("trust")
    nodes.add_repository(site)
    ping = Case("ping", site.play("ping"))
    whole = [*(sequence(site, peer, _STEPS) for peer in _FAST), _packages(site)]
    few = [sequence(site, "grid_security", _AGAIN, "few"), *(sequence(site, peer, _FIRST, "few") for peer in _SLOW)]
    return [
        Comparison("A release of IGTF", ping, whole),
        Comparison(f"{workload.FEW} trust anchors", ping, few),
    ]


def clean() -> None:
    nodes.remove_repository(Site("trust"))


def sequence(site: Site, peer: str, steps: tuple[str, ...], release: str = "new") -> list[Case]:
    """The steps of one peer, each starting where the one before ended."""
    clear = site.shell(nodes.NO_ANCHORS)
    prepare = {"first": [clear, forget()], "upgrade": [clear, forget(), _play(site, peer, "old")]}
    return [
        Case(
            f"{peer}, {step}",
            _play(site, peer, "changed" if step == "one changed" else release),
            prepare.get(step, []),
            about={"peer": peer, "step": step},
            changes=step != "nothing to do",
        )
        for step in steps
    ]


def _play(site: Site, peer: str, release: str) -> list[str]:
    variables = {"bench_anchors": workload.options(release), "bench_laid_out": str(workload.laid_out(release))}
    return site.play(f"trust/{peer}", **variables)


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
