# SPDX-License-Identifier: GPL-3.0-or-later
"""Share numbers between forked processes."""

from __future__ import annotations

import mmap
import struct

__all__ = ["Counter"]


class Counter:
    """Hold one number or several. Only one process adds to each number."""

    def __init__(self, size: int = 1) -> None:
        self._memory = mmap.mmap(-1, 8 * size)

    def add(self, index: int = 0) -> None:
        self._memory[8 * index : 8 * index + 8] = struct.pack("Q", self.value(index) + 1)

    def value(self, index: int = 0) -> int:
        number: int = struct.unpack("Q", self._memory[8 * index : 8 * index + 8])[0]
        return number
