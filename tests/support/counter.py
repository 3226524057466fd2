# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers that forked processes share."""

from __future__ import annotations

import mmap
import struct

__all__ = ["Counter"]


class Counter:
    """One number, or several; each has one process that adds to it."""

    def __init__(self, size: int = 1) -> None:
        self._memory = mmap.mmap(-1, 8 * size)

    def add(self, index: int = 0) -> None:
        self._memory[8 * index : 8 * index + 8] = struct.pack("Q", self.value(index) + 1)

    def value(self, index: int = 0) -> int:
        number: int = struct.unpack("Q", self._memory[8 * index : 8 * index + 8])[0]
        return number
