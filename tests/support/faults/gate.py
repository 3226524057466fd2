# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine's work, held up until strace watches the process that does it.

It runs wherever the engine's does: in the module's process, or in the worker with the rights of another user, which has
only the standard library and must import nothing after it has dropped to that user.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors

# The name of the abstract socket to which the process id is told: workers have no descriptor but their own.
ADDRESS = "GRID_SECURITY_TEST_GATE"
# A system call that the engine does not use, and an answer that only strace gives: then it is at work.
OPEN = "getpriority:retval=7"
_NICE = 20 - 7  # as the C library turns it round
_PR_SET_PTRACER = 0x59616D61  # linux/prctl.h
_WAIT = 30.0  # seconds

_libc = ctypes.CDLL(None)
_original = inspectors.work


def pass_through() -> None:
    """Wait until strace is at work on this process."""
    _libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)  # where only parents may trace otherwise
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
        teller.sendto(b"%d" % os.getpid(), f"\0{os.environ[ADDRESS]}")
    deadline = time.monotonic() + _WAIT
    while os.getpriority(os.PRIO_PROCESS, 0) != _NICE:
        if time.monotonic() > deadline:
            raise TimeoutError("strace did not attach")
        time.sleep(0.0005)


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """:func:`inspectors.work`, under strace; but not in the probe."""
    if not argument.get("compare_only"):
        pass_through()
    return _original(argument)
