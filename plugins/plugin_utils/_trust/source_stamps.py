# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Detect changes of sources of trust anchors without reading them."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import source_files

__all__ = ["Stamp", "take"]

_PATHS = ("src", "signature", "keyring")
_TICK = 2_000_000_000  # nanoseconds; more than the clock of any file system

_Status = tuple[str, int, int, int, int]


@dataclass(frozen=True)
class Stamp:
    """Digests over path, size, inode and times of each file. They change when the content of a file changes.

    :param anchors: of CA certificates and the files beside them. :param crls: of CRLs.
    :param changed: when the last file changed, in nanoseconds.
    """

    anchors: str
    crls: str
    changed: int

    @property
    def is_fresh(self) -> bool:
        """Whether a file changed just now. A second change within the same tick of the clock cannot be detected."""
        return time.time_ns() - self.changed < _TICK


def take(action: Any, sources: list[dict[str, Any]]) -> Stamp:
    """Return the stamp of all sources, taken once per task. URLs have no stamp. Their checksums fix the content.

    :param action: the task's action, whose ``find`` finds files of the controller.
    :raises GridSecurityError: ``no_source`` or ``too_large``.
    """
    paths = [action.find(source[name]) for source in sources for name in _PATHS if source[name]]
    taken: dict[str, Stamp] = vars(action).setdefault("source_stamps", {})
    key = json.dumps(paths)
    if key not in taken:
        try:
            taken[key] = _stamp([status for path in paths for status in _statuses(path)])
        except OSError as error:
            raise GridSecurityError(
                "no_source", f"{error.filename} cannot be read: {error.strerror}. Check the source."
            ) from error
    return taken[key]


def _stamp(statuses: list[_Status]) -> Stamp:
    crls = [status for status in statuses if source_files.is_crl(status[0])]
    anchors = [status for status in statuses if not source_files.is_crl(status[0])]
    return Stamp(_digest(anchors), _digest(crls), max((status[-1] for status in statuses), default=0))


def _digest(statuses: list[_Status]) -> str:
    return hashlib.sha256(json.dumps(statuses).encode()).hexdigest()


def _statuses(path: str) -> Iterator[_Status]:
    for file in source_files.below(path) if os.path.isdir(path) else [path]:
        try:
            status = os.stat(file)
        except FileNotFoundError:
            if file == path:
                raise
            continue  # a dangling link
        if file == path or stat.S_ISREG(status.st_mode):
            # Programs that copy or unpack files can set the time of modification, but not the time of change.
            yield file, status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
