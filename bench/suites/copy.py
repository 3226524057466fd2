# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a release of IGTF that is copied file by file, once, because it takes eight minutes."""

from __future__ import annotations

from harness import Case, Comparison
from sites import Site

from suites import trust


def comparisons() -> list[Comparison]:
    site = Site("copy")
    sequences = [trust.sequence(site, peer, ("first",)) for peer in ("grid_security", "copy")]
    return [Comparison("A release of IGTF, file by file", Case("ping", site.play("ping")), sequences, rounds=1)]
