#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run Python, and append the peak of its memory to /run/bench-peak (KiB, largest process)."""

import os
import sys

child = os.fork()
if child == 0:
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv[1:]])
_pid, status, usage = os.wait4(child, 0)
with open("/run/bench-peak", "a") as stream:
    stream.write(f"{usage.ru_maxrss}\n")
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)
