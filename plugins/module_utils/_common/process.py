# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process that holds secrets does to keep its memory to itself."""

from __future__ import annotations

import ctypes
import resource
import sys

__all__ = ["hide_memory"]

_PR_SET_DUMPABLE = 4  # linux/prctl.h


def hide_memory() -> None:
    """Be in no core dump, and on Linux unreadable for the other processes of the same user.

    The limit alone would not do: it does not hold where the kernel hands dumps to a program. Executing another program
    undoes the rest, and keeps the limit.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
