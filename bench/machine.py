# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe the machine of the measurements."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sites import Site


def describe() -> dict[str, Any]:
    """Describe this machine, which is the controller, and the nodes, which use the same processors."""
    return {
        "processor": _first(r"model name\s*:\s*(.*)", "/proc/cpuinfo"),
        "cores": os.cpu_count(),
        "memory_gib": round(int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo")) / 2**20),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "openssl": subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1],
        **{name: version(name) for name in ("ansible-core", "cryptography")},
        "collections": {name: _collection(name) for name in ("ansible.posix", "community.crypto", "grid.security")},
        "nodes": _nodes(),
    }


def _first(pattern: str, path: str) -> str:
    found = re.search(pattern, Path(path).read_text())
    return found[1] if found else "unknown"


def _collection(name: str) -> str:
    listed = subprocess.run(["ansible-galaxy", "collection", "list", name], capture_output=True, text=True, check=True)
    found = re.search(rf"{re.escape(name)}\s+(\S+)", listed.stdout)
    return found[1] if found else "unknown"


def _nodes() -> list[str]:
    """Return name, release of Debian and version of Python of each node."""
    said = "echo node: $(hostname), Debian $(cat /etc/debian_version), $(python3 -V)"
    command = Site("machine").shell(said)
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(re.findall(r"node: (.*\S)", found))
