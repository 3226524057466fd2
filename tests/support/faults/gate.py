# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop the engine's work until strace watches its process.

The work runs in the module's process, or in a worker with the rights of another user. A worker has only the standard
library, and must import nothing after it has changed to that user.
"""

from __future__ import annotations

import ctypes
import os
import socket
import time
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors

# The abstract socket that receives the process id. Workers inherit no other descriptor.
ADDRESS = "GRID_SECURITY_TEST_GATE"
# A system call that the engine does not use. Only strace gives this answer, so this shows that strace is ready.
OPEN = "getpriority:retval=7"
_NICE = 20 - 7  # the C library inverts the value
_PR_SET_PTRACER = 0x59616D61  # linux/prctl.h
_WAIT = 30.0  # seconds

_libc = ctypes.CDLL(None)
_original = inspectors.work


def pass_through() -> None:
    """Wait until strace watches this process."""
    _libc.prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)  # for systems on which only parents may trace
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as teller:
        teller.sendto(b"%d" % os.getpid(), f"\0{os.environ[ADDRESS]}")
    deadline = time.monotonic() + _WAIT
    while os.getpriority(os.PRIO_PROCESS, 0) != _NICE:
        if time.monotonic() > deadline:
            raise TimeoutError("strace did not attach")
        time.sleep(0.0005)


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Do :func:`inspectors.work` under strace, except if it only compares."""
    if not argument.get("compare_only"):
        pass_through()
    return _original(argument)
