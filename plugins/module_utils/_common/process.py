# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Protect the memory of a process that holds secrets."""

from __future__ import annotations

import ctypes
import resource
import sys

__all__ = ["hide_memory"]

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_memory() -> None:
    """Disable core dumps. On Linux, also make the memory unreadable for other processes of the same user.

    The limit on core dumps is not enough: the kernel ignores it if it pipes core dumps to a program. When the process
    executes another program, the limit stays, and the process becomes dumpable again.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
