# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory the largest process of a command takes, those that outlive their parents included.

As a script, in place of an interpreter: ``peak.py NOTES COMMAND...`` runs the command and adds a line to the file.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

__all__ = ["command", "interpreter", "largest"]

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def command(notes: Path) -> tuple[str, ...]:
    """What to put before a command to have its largest process noted."""
    return sys.executable, "-I", "-S", __file__, str(notes)


def interpreter(path: Path, notes: Path) -> Path:
    """An interpreter for the node's modules, written to ``path``, that notes how large each of them became."""
    path.write_text(f'#!/bin/sh\nexec {" ".join(command(notes))} "{sys.executable}" "$@"\n')
    path.chmod(0o755)
    return path


def largest(notes: Path) -> int:
    """KiB of the largest process noted so far."""
    return max(int(line) for line in notes.read_text().splitlines())


def _run(notes: str, words: list[str]) -> int:
    """The command's exit status, after everything that it has started has ended, too."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    first = os.fork()
    if first == 0:
        os.execvp(words[0], words)
    status, peak = 1, 0
    while True:
        try:
            pid, ended, usage = os.wait4(-1, 0)
        except ChildProcessError:
            break
        peak = max(peak, usage.ru_maxrss)
        if pid == first:
            status = os.waitstatus_to_exitcode(ended)
    with open(notes, "a", encoding="ascii") as stream:
        stream.write(f"{peak}\n")
    return status


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1], sys.argv[2:]))
