# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the paths that the measurements use."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
DOCS = ROOT / "docs"
RESULTS = BENCH / "results"
PLAYBOOKS = BENCH / "playbooks"
WORK = ROOT / "build/bench"  # inputs of measurements: made once, used again
ANSIBLE_HOME = WORK / "ansible-home"  # not the user's own, because measurements remove the cache in it
SSH_CONFIG = ROOT / "build/cluster/ssh_config"
