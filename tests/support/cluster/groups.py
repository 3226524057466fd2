# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups: which processes are the cluster's, without a list that could be out of date.

A process is in the group from its first instant, since its parent is, and does not leave it by forking. So whatever
moment a run is killed at, its processes are found, and the kernel kills them all at once.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from .errors import ClusterError

__all__ = ["enter", "exists", "is_running", "kill", "members_file", "remove"]

_NAME = "grid-security-cluster"
_LIMIT = 20.0  # seconds; killing takes milliseconds


def members_file(part: str) -> Path:
    """The file that takes a process into the group of this part, which is made if there is none."""
    group = _group(part)
    group.mkdir(parents=True, exist_ok=True)
    return group / "cgroup.procs"


def enter(part: str) -> None:
    """Take this process, and all that it starts, into the group of this part."""
    members_file(part).write_text(str(os.getpid()))


def exists() -> bool:
    """Whether there is anything of a cluster, running or not."""
    return any((mount / _NAME).is_dir() for mount in _mounts())


def is_running(part: str) -> bool:
    """Whether the part has a process."""
    events = _group(part) / "cgroup.events"
    return events.exists() and "populated 1" in events.read_text()


def kill(part: str = "") -> None:
    """Kill every process of the part, or of the whole cluster, and wait until there is none.

    :raises ClusterError: if some do not die.
    """
    if not is_running(part):
        return
    (_group(part) / "cgroup.kill").write_text("1")
    deadline = time.monotonic() + _LIMIT
    while is_running(part):
        if time.monotonic() > deadline:
            raise ClusterError(f"{_group(part)}: killed, but there are still processes after {_LIMIT:.0f} s.")
        time.sleep(0.01)


def remove(part: str = "") -> None:
    """Remove the groups of the part, or of the whole cluster, which has no process any more."""
    for mount in _mounts():
        for directory, _parts, _files in os.walk(mount / _NAME / part, topdown=False):
            os.rmdir(directory)


def _group(part: str) -> Path:
    return _mounts("cgroup2")[0] / _NAME / part


def _mounts(kind: str = "cgroup") -> list[Path]:
    """Where control groups are mounted; nspawn makes its groups in the old hierarchy too, where there is one."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = [Path(words[1]) for words in mounts if words[2].startswith(kind)]
    if not found:
        raise ClusterError("control groups (version 2) are not mounted: mount -t cgroup2 none /sys/fs/cgroup.")
    return found
