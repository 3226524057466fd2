# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare tools that place a release of IGTF: first, with nothing to do, with one changed CA, as an upgrade."""

from __future__ import annotations

import shutil

import nodes
import workload
from harness import Case, Comparison
from places import WORK
from sites import Site, forget, local

_STEPS = ("first", "nothing to do", "one changed", "upgrade")
_AGAIN = _STEPS[:2]
_FIRST = _STEPS[:1]
_FAST = ("grid_security", "unarchive", "synchronize")
_DISK = WORK / "disk"
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
        _on_disk(),
    ]


def clean() -> None:
    nodes.remove_repository(Site("trust"))
    shutil.rmtree(_DISK, ignore_errors=True)


def _on_disk() -> Comparison:
    """Measure on this machine, because the nodes have their files in memory, where a flush to disk costs nothing.

    Old files are moved away and not removed: after many files are removed, ext4 creates files slowly for some time.
    """
    site, path = Site("disk", local(1)), _DISK / "certificates"
    clear = f'mkdir -p {path} && mv {path} "$(mktemp -d {_DISK}/before.XXXXXX)" && mkdir {path} && sync -f {path}'
    sequences = [sequence(site, peer, _AGAIN, path=str(path), clear=["sh", "-c", clear]) for peer in _FAST]
    return Comparison("A release of IGTF, on disk", Case("ping", site.play("ping")), sequences)


def sequence(
    site: Site,
    peer: str,
    steps: tuple[str, ...],
    release: str = "new",
    path: str = nodes.TRUST,
    clear: list[str] | None = None,
) -> list[Case]:
    """Return the steps of one tool. Each step starts in the state that the step before it left.

    :param clear: the command that empties the trust directory ``path``.
    """
    clear = clear or site.shell(nodes.NO_ANCHORS)
    prepare = {"first": [clear, forget()], "upgrade": [clear, forget(), _play(site, peer, "old", path)]}
    return [
        Case(
            f"{peer}, {step}",
            _play(site, peer, "changed" if step == "one changed" else release, path),
            prepare.get(step, []),
            about={"peer": peer, "step": step},
            changes=step != "nothing to do",
        )
        for step in steps
    ]


def _play(site: Site, peer: str, release: str, path: str) -> list[str]:
    laid_out = str(workload.laid_out(release))
    return site.play(f"trust/{peer}", bench_anchors=workload.options(release), bench_laid_out=laid_out, bench_path=path)


def _packages(site: Site) -> list[Case]:
    """Return the steps of the distribution's packages. There is no package with one changed CA."""
    play, clear = site.play("trust/package"), site.shell(nodes.NO_PACKAGES)
    old = site.shell(nodes.old_packages())
    about = {"peer": "package"}
    return [
        Case("package, first", play, [clear], about={**about, "step": "first"}, changes=True),
        Case("package, nothing to do", play, about={**about, "step": "nothing to do"}, changes=False),
        # The packages' links must not stay for the other tools, and dpkg must not find files of the other tools.
        Case("package, upgrade", play, [clear, old], about={**about, "step": "upgrade"}, changes=True),
    ]
