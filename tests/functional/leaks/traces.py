# SPDX-License-Identifier: GPL-3.0-or-later
"""Record with strace what a run and its children write to disk, execute, and pass as environment.

A file may exist for a moment only. Its bytes still pass through a system call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Trace", "command"]

_CALLS = (
    "execve,execveat,write,pwrite64,writev,pwritev,pwritev2,sendfile,copy_file_range,"
    "rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat"
)
_LINE = re.compile(r"(?:\d+ +)?(\w+)\((.*)")
_TARGET = re.compile(r"\d+<([^>]*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_WRITES = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
_COPIES = {"sendfile": (1, 0), "copy_file_range": (0, 1)}  # which descriptor is read, which written


def command(path: Path) -> list[str]:
    """Return the words before a command that trace it, with full strings in hexadecimal digits."""
    options = ["-f", "-qq", "-y", "-v", "-xx", "-s", "100000000", "--seccomp-bpf", "-e", "signal=none"]
    return ["strace", *options, "-e", f"trace={_CALLS}", "-o", str(path)]


@dataclass
class Trace:
    """Hold a trace. :param written: the written bytes by file. :param names: the names of new files.

    :param arguments: of all programs executed. :param environment: of all programs executed.
    """

    written: dict[str, bytearray] = field(default_factory=dict)
    names: bytearray = field(default_factory=bytearray)
    arguments: bytearray = field(default_factory=bytearray)
    environment: bytearray = field(default_factory=bytearray)
    programs: int = 0

    @classmethod
    def read(cls, path: Path) -> Trace:
        trace = cls()
        with path.open(encoding="ascii") as stream:
            for line in stream:
                match = _LINE.match(line)
                if match:
                    trace._add(match.group(1), match.group(2))
        return trace

    def _add(self, call: str, rest: str) -> None:
        if call in _WRITES:
            path = _decoded(_TARGET.match(rest).group(1)).decode(errors="replace")  # type: ignore[union-attr]
            if path.startswith("/") and not path.startswith("/dev/"):
                self.written.setdefault(path, bytearray()).extend(b"".join(_strings(rest)))
        elif call in _COPIES:
            source, target = (_decoded(_TARGET.findall(rest)[index]).decode() for index in _COPIES[call])
            self.written.setdefault(target, bytearray()).extend(self.written.get(source, b""))
        elif call.startswith("execve"):
            self.programs += 1
            head, _bracket, environment = rest.partition("], [")
            self.arguments += b"\0".join(_strings(head)) + b"\n"
            self.environment += b"\0".join(_strings(environment)) + b"\n"
        else:
            self.names += b"\0".join(_strings(rest)) + b"\n"


def _strings(text: str) -> Iterator[bytes]:
    return map(_decoded, _STRING.findall(text))


def _decoded(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", "")) if text.startswith("\\x") else text.encode()
