# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange names as a user, as fast as the kernel can."""

from __future__ import annotations

import ctypes
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.grid.security.tests.support.accounts import acting_as
from ansible_collections.grid.security.tests.support.counter import Counter

__all__ = ["swapping"]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fs.h
_Pairs = tuple[tuple[Path, Path], ...]


@contextmanager
def swapping(account: pwd.struct_passwd, counter: Counter, *pairs: tuple[Path, Path]) -> Iterator[None]:
    """Exchange each pair in turn until the context ends. The counter counts successful exchanges."""
    with acting_as(account, _swap, pairs, counter):
        yield


def _swap(pairs: _Pairs, counter: Counter) -> None:
    exchange = ctypes.CDLL(None).renameat2
    names = [(os.fsencode(one), os.fsencode(other)) for one, other in pairs]
    while True:
        for one, other in names:
            if exchange(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) == 0:
                counter.add()
