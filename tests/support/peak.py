# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the memory of the largest process of a command, including processes that outlive their parents.

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
    """Return the words before a command that record the memory of its largest process."""
    return sys.executable, "-I", "-S", __file__, str(notes)


def interpreter(path: Path, notes: Path, python: str) -> Path:
    """Write an interpreter for the node's modules to ``path``. It records the largest memory of each module."""
    path.write_text(f'#!/bin/sh\nexec {" ".join(command(notes))} {python} "$@"\n')
    path.chmod(0o755)
    return path


def largest(notes: Path) -> int:
    """Return the KiB of the largest recorded process."""
    return max(int(line) for line in notes.read_text().splitlines())


def _run(notes: str, words: list[str]) -> int:
    """Return the command's exit status, when all processes that it started have ended."""
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
