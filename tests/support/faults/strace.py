# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engine under strace: record its system calls with their paths, and let calls fail."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.grid.security.tests.support.faults import gate

_LINE = re.compile(r"(\w+)\((.*)\)\s+= (\?|-?\w+)(?:<[^>]*>)?(?: (\w+))?")
_BELOW = re.compile(r'(?:AT_FDCWD|\d+)<([^>]*)>, "((?:[^"\\]|\\.)*)"')
_DESCRIPTOR = re.compile(r"\d+<([^>]*)>")
_CHANGING_PART = re.compile(r"[0-9a-f]{16}(?=\.tmp$)|\d+\.\d{4}-\d\d-\d\d@[\d:]+~$")
_MODE = re.compile(r"(open|mkdir|chmod).*, (0[0-7]*)$")
_KINDS = "open|write|fsync|rename|unlink|mkdir|link|symlink|chmod|chown|stat|readlink|read|getdents|flock|close"
_KIND = re.compile(rf"(?:new|f)*({_KINDS})(at)?(2|64)?")
_CHANGING = {"write", "fsync", "rename", "unlink", "mkdir", "link", "symlink", "chmod", "chown"}


@dataclass(frozen=True)
class Call:
    """Hold a system call.

    :param number: its number among the calls of its name in its process, as strace counts.
    :param paths: the absolute paths of the call.
    :param error: the name of the error, if it failed.
    """

    name: str
    number: int
    arguments: str
    paths: tuple[str, ...]
    error: str | None

    def __str__(self) -> str:
        names = [_CHANGING_PART.sub("*", os.path.basename(path)) for path in self.paths]
        return f"{self.name} #{self.number} on {', '.join(names)}"

    @property
    def kind(self) -> str:
        """The name without what differs between machines: ``renameat2`` is a ``rename``."""
        found = _KIND.fullmatch(self.name)
        return found.group(1) if found else self.name

    @property
    def creates(self) -> bool:
        return self.kind == "open" and "O_CREAT" in self.arguments

    @property
    def changes(self) -> bool:
        """Whether it writes to the disk."""
        return self.creates or self.kind in _CHANGING

    @property
    def mode(self) -> int | None:
        """The mode that it gives to what it makes or changes."""
        found = _MODE.search(f"{self.name}({self.arguments}")
        return int(found.group(2), 8) if found else None


def parse(trace: str) -> list[Call]:
    """Return the calls of a process, from a trace with decoded descriptors."""
    calls = []
    numbers: Counter[str] = Counter()
    for name, arguments, result, error in _LINE.findall(trace):
        numbers[name] += 1
        calls.append(Call(name, numbers[name], arguments, _paths(name, arguments), error if result == "-1" else None))
    return calls


def _paths(name: str, arguments: str) -> tuple[str, ...]:
    below = _BELOW.findall(arguments) if re.search("at2?$", name) else []
    found = [os.path.join(*pair).rstrip("/") for pair in below] or _DESCRIPTOR.findall(arguments)[:1]
    return tuple(path.removesuffix(" (deleted)") for path in found)


def kill(call: Call) -> list[str]:
    """Return the option of strace that kills the process before it makes the call."""
    return [f"--inject={call.name}:error=EIO:signal=KILL:when={call.number}"]


def fail(call: Call, error: str) -> list[str]:
    """Return the options of strace that let a call fail."""
    return [f"--inject={call.name}:error={error}:when={call.number}"]


def fail_from(calls: list[Call], index: int, error: str) -> list[str]:
    """Return the options of strace that let all changes fail from a call on, as on a broken disk."""
    before = Counter(call.name for call in calls[:index] if call.changes)
    names = {call.name for call in calls if call.changes and not call.creates}
    options = [f"--inject={name}:error={error}:when={before[name] + 1}+" for name in sorted(names)]
    return options + (fail(calls[index], error) if calls[index].creates else [])


class Engine:
    """Hold a running :mod:`engine`. Close it after use.

    :param user: the user of the module, if it is not this process's user.
    """

    home = "/nonexistent"  # of every user

    def __init__(self, user: str | None = None) -> None:
        self._user = user
        module = f"{__package__}.engine"
        self._process = subprocess.Popen(
            [sys.executable, "-B", "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with tempfile.NamedTemporaryFile(delete=False) as stream:
            self._trace = Path(stream.name)

    @property
    def is_quick(self) -> bool:
        """Return whether the module does the work itself. Root starts an interpreter for the work."""
        return self._user is not None or os.geteuid() != 0

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._process.communicate()
        self._trace.unlink()

    def ask(self, sets: list[dict[str, Any]], contents: dict[str, str], **how: Any) -> dict[str, Any]:
        """Converge the sets in a child. Return ``outcomes`` or ``traceback``, and its exit ``status``.

        :param how: ``kill_after`` (seconds), ``memory`` (additional bytes that it may use), and as in :meth:`trace`.
        """
        usual: dict[str, Any] = {"gate": None, "strace": [], "kill_at_gate": [], "kill_after": None, "memory": None}
        request = {"sets": sets, "contents": contents, "user": self._user, "home": self.home, **usual, **how}
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        """Converge the sets in the form that an exchange needs."""
        answer = self.ask(sets, contents)
        assert "outcomes" in answer, answer
        outcomes: list[dict[str, Any]] = answer["outcomes"]
        return outcomes

    def trace(
        self, sets: list[dict[str, Any]], contents: dict[str, str], *injections: str, **how: Any
    ) -> tuple[dict[str, Any], list[Call]]:
        """Return the answer, and the calls of the process that did the work. ``injections`` are options of strace.

        :param how: ``kill_at_gate``, a list of ``engine`` and ``fork server``, which are killed before the work begins.
        """
        answer = self.ask(sets, contents, gate="work", strace=self._options("%file,%desc", *injections), **how)
        return answer, parse(self._trace.read_text(encoding="utf-8", errors="replace"))

    def trace_processes(
        self, sets: list[dict[str, Any]], contents: dict[str, str], *injections: str
    ) -> tuple[dict[str, Any], list[list[Call]]]:
        """Return the answer, and the calls that start the engine's processes or send messages, with ``injections``."""
        options = self._options("%process,%network,setgroups,setgid,setuid", *injections)
        answer = self.ask(sets, contents, gate="engine", strace=["--follow-forks", "--output-separately", *options])
        traces = sorted(self._trace.parent.glob(f"{self._trace.name}.*"), key=lambda path: path.stat().st_ctime_ns)
        calls = [parse(path.read_text(encoding="utf-8", errors="replace")) for path in traces]
        for path in traces:
            path.unlink()
        return answer, calls

    def _options(self, watched: str, *injections: str) -> list[str]:
        options = ["--quiet=attach,exit", "--decode-fds=path", "--string-limit=4096", f"--output={self._trace}"]
        return [*options, f"--trace={watched},{gate.OPEN.partition(':')[0]}", f"--inject={gate.OPEN}", *injections]
