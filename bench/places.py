# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
DOCS = ROOT / "docs"
RESULTS = BENCH / "results"
PLAYBOOKS = BENCH / "playbooks"
WORK = ROOT / "build/bench"  # what measurements need: made once, used again
ANSIBLE_HOME = WORK / "ansible-home"  # apart from the user's: what runs keep there is taken away again
SSH_CONFIG = ROOT / "build/cluster/ssh_config"
