# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the system calls of a trace, with the user id of the process at each call, and with absolute paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Call", "command", "read"]

_CHANGES = (
    "creat,open,openat,openat2,truncate,ftruncate,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,"
    "rmdir,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,setxattr,lsetxattr,fsetxattr,"
    "removexattr,lremovexattr,fremovexattr,utimensat,mount,execve,execveat"
)
_LOOKS = "stat,lstat,fstat,newfstatat,statx,access,faccessat,faccessat2,readlink,readlinkat,getdents64,flock"
_LOOKS += ",getxattr,lgetxattr,fgetxattr"
_PROCESS = "fork,vfork,clone,clone3,setuid,setreuid,setresuid,setfsuid,setgid,setresgid,setgroups,chdir,fchdir,prctl"
_LINE = re.compile(r"(\d+) +(.*)", re.DOTALL)
_CALL = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(.*)", re.DOTALL)
_UNFINISHED = re.compile(r"(.*) <unfinished \.\.\.>$", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)", re.DOTALL)
_TOKEN = re.compile(r'(AT_FDCWD|\d+)<((?:[^>\\]|\\.)*)>|"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "f": "\f"}
_TARGET_FIRST = ("symlink", "symlinkat")  # the first string of these calls is no path
_ONE_PATH = ("xattr", "execve", "execveat")  # the argument after the first string is a value


@dataclass(frozen=True)
class Call:
    """Hold a system call. :param uid: the effective user id at the call. :param paths: by name or by descriptor."""

    pid: int
    uid: int
    name: str
    arguments: str
    result: str
    paths: tuple[str, ...]

    def touches(self, root: Path | str) -> bool:
        """Return whether the call named something below ``root``."""
        return any(path.startswith(f"{root}/") for path in self.paths)


def command(trace: Path) -> tuple[str, ...]:
    """Return the words before a command that write its calls, and its children's calls, to ``trace``."""
    calls = ",".join((_CHANGES, _LOOKS, _PROCESS))
    return ("strace", "-f", "-y", "-qq", "--seccomp-bpf", "-s", "300", "-o", str(trace), "-e", f"trace={calls}")


def read(trace: Path, uid: int = 0, cwd: str = "/") -> list[Call]:
    """Yield the calls in order. :param uid: the first process's user id. :param cwd: its working directory."""
    reader = _Reader()
    calls = []
    for pid, text in _complete(trace.read_text(encoding="utf-8", errors="surrogateescape")):
        match = _CALL.fullmatch(text)
        if match:
            calls.append(reader.call(pid, uid, cwd, *match.groups()))
    return calls


def _complete(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines. Join the halves of an interrupted line at the place of the second half."""
    begun: dict[int, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if not match:
            continue
        pid, rest = int(match[1]), match[2]
        unfinished, resumed = _UNFINISHED.fullmatch(rest), _RESUMED.fullmatch(rest)
        if unfinished:
            begun[pid] = unfinished[1]
        elif resumed:
            yield pid, begun.pop(pid, "") + resumed[1]
        else:
            yield pid, rest


@dataclass
class _Reader:
    """Hold the state of each process."""

    uids: dict[int, int] = field(default_factory=dict)
    directories: dict[int, str] = field(default_factory=dict)

    def call(self, pid: int, uid: int, cwd: str, name: str, arguments: str, result: str, more: str) -> Call:
        uid = self.uids.setdefault(pid, uid)
        cwd = self.directories.setdefault(pid, cwd)
        paths = tuple(self._paths(name, arguments, cwd)) + tuple(self._paths("", result + more, cwd))
        if name.startswith(("clone", "fork", "vfork")) and result.isdigit() and result != "0":
            self.uids.setdefault(int(result), uid)  # its own calls may come first
            self.directories.setdefault(int(result), cwd)
        if name in ("setuid", "setreuid", "setresuid") and result == "0":
            self.uids[pid] = self._new_uid(name, arguments, uid)
        if name == "chdir" and result == "0":
            self.directories[pid] = paths[0]
        return Call(pid, uid, name, arguments, result, paths)

    @staticmethod
    def _new_uid(name: str, arguments: str, uid: int) -> int:
        effective = arguments.split(",")[0 if name == "setuid" else 1].strip()
        return uid if effective == "-1" else int(effective)

    @staticmethod
    def _paths(name: str, arguments: str, cwd: str) -> Iterator[str]:
        """Return the paths of the call. A relative path starts at the descriptor before it."""
        base, named = cwd, False
        for number, token in enumerate(_TOKEN.finditer(arguments)):
            descriptor, directory, text = token.groups()
            if descriptor:
                base = _unescaped(directory)
                if descriptor != "AT_FDCWD" and base.startswith("/"):
                    yield base
            elif not (name in _TARGET_FIRST and number == 0) and not (named and name.endswith(_ONE_PATH)):
                named = True
                yield os.path.normpath(os.path.join(base, _unescaped(text)))


def _unescaped(text: str) -> str:
    def character(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code, 8)) if code[0].isdigit() else _LETTERS.get(code, code)

    data = _ESCAPE.sub(character, text)
    return os.fsdecode(data.encode("latin-1", "replace")) if "\\" in text else data
