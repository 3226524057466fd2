# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the cluster's processes by control groups, without a list that could be out of date.

A process is in the group of its parent from its start, and a fork does not leave the group. So the processes of a
killed run can always be found, and the kernel kills all of them at once.
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
    """Return the file that moves a process to the group of a part. Make the group if it is missing."""
    group = _group(part)
    group.mkdir(parents=True, exist_ok=True)
    return group / "cgroup.procs"


def enter(part: str) -> None:
    """Move this process, with its later children, to the group of a part."""
    members_file(part).write_text(str(os.getpid()))


def exists() -> bool:
    """Return whether a group of a cluster exists, with or without processes."""
    return any((mount / _NAME).is_dir() for mount in _mounts())


def is_running(part: str) -> bool:
    """Return whether the part has a process."""
    events = _group(part) / "cgroup.events"
    return events.exists() and "populated 1" in events.read_text()


def kill(part: str = "") -> None:
    """Kill each process of the part, or of the whole cluster, and wait for their end.

    :raises ClusterError: a process does not end.
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
    """Remove the groups of the part, or of the whole cluster. They must have no processes."""
    for mount in _mounts():
        for directory, _parts, _files in os.walk(mount / _NAME / part, topdown=False):
            os.rmdir(directory)


def _group(part: str) -> Path:
    return _mounts("cgroup2")[0] / _NAME / part


def _mounts(kind: str = "cgroup") -> list[Path]:
    """Return the mount points of control groups. nspawn also makes its groups in the old hierarchy, if it exists."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = [Path(words[1]) for words in mounts if words[2].startswith(kind)]
    if not found:
        raise ClusterError("control groups (version 2) are not mounted: mount -t cgroup2 none /sys/fs/cgroup.")
    return found
