#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Python, with a note in /run/bench-peak of how large it became (KiB, largest process)."""

import os
import sys

child = os.fork()
if child == 0:
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv[1:]])
_pid, status, usage = os.wait4(child, 0)
with open("/run/bench-peak", "a") as stream:
    stream.write(f"{usage.ru_maxrss}\n")
sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)
