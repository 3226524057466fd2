# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a property for every input, in a child process with limits.

The property: an input is read, or gives a documented error, in bounded time and memory. The message is readable and
contains no secret.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError, readable

__all__ = ["Broken", "Target", "check", "jailed"]

MOST_SECONDS = 2.0  # of processor time for one input; usual inputs take a millisecond
SECONDS_PER_BYTE = 5 / (1 << 20)
MOST_MEMORY = 512 << 20  # bytes for one input; a source may unpack to 64 MiB
MOST_MESSAGE = 50_000  # characters; a tenth of the text may be quoted from the input
_PEEK = Path("/proc/self/clear_refs")


class Broken(AssertionError):
    """Report that the property is not true."""


@dataclass(frozen=True)
class Target:
    """Describe a reader of untrusted data.

    :param run: reads one input, and returns the texts for users. :param mutate: makes a new input from an old one.
    :param kinds: the documented error codes. :param errors: other exceptions that it may raise.
    :param secrets: returns the secrets of an input, which no text may contain.
    """

    name: str
    run: Callable[[bytes], Iterable[str]]
    seeds: Callable[[], Iterable[bytes]]
    mutate: Callable[[bytes, object], bytes]
    kinds: frozenset[str] = frozenset()
    errors: tuple[type[Exception], ...] = ()
    secrets: Callable[[bytes], Iterable[str]] = field(default=lambda _data: ())


def check(target: Target, data: bytes) -> str | None:
    """Read one input.

    :returns: the error code, if there was an error.
    :raises Broken: the property is not true. Any other exception is a finding, too.
    """
    before, start = _memory("VmRSS"), time.process_time()
    with contextlib.suppress(OSError):
        _PEEK.write_text("5")  # resets the peak to the present use
    kind = None
    try:
        for text in target.run(data):
            _check_message(target, data, readable(text))  # in the form of all actions
    except GridSecurityError as error:
        kind = error.error_code
        if kind not in target.kinds:
            raise Broken(f"{kind} is not documented: {error.message[:200]}") from error
        _check_message(target, data, error.message)
    except target.errors as error:  # the code that catches these errors makes a message of them
        kind = type(error).__name__
    _check_cost(len(data), time.process_time() - start, _memory("VmHWM") - before)
    return kind


def _check_message(target: Target, data: bytes, message: str) -> None:
    if not message or len(message) > MOST_MESSAGE:
        raise Broken(f"a message of {len(message)} characters: {message[:200]!r}")
    if not message.replace("\n", "").replace("\t", "").isprintable():
        raise Broken(f"a message that cannot be printed: {message[:MOST_MESSAGE]!r}")
    shown = [secret for secret in target.secrets(data) if secret in message]
    if shown:
        raise Broken(f"a message holds a secret: {message[:MOST_MESSAGE]!r}")


def _check_cost(size: int, seconds: float, memory: int) -> None:
    if seconds > MOST_SECONDS + size * SECONDS_PER_BYTE:
        raise Broken(f"{seconds:.1f} s of processor time")
    if memory > MOST_MEMORY:
        raise Broken(f"{memory >> 20} MiB of memory")


def _memory(field_name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(f"{field_name}:"))
    return int(line.split()[1]) << 10


def jailed(target: Target, inputs: Iterator[tuple[str, bytes]], seconds: float, scratch: Path) -> tuple[int, list[str]]:
    """Check inputs in a child process until the inputs or the ``seconds`` end.

    :param inputs: each with a name. :returns: the number of inputs, and the findings with their names.
    """
    current, findings, count = scratch / "current", scratch / "findings", scratch / "count"
    current.write_text("the first", encoding="utf-8")
    count.write_text("0", encoding="ascii")
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            _read_all(target, inputs, time.monotonic() + seconds, scratch)
            os._exit(0)
        os._exit(1)
    status = os.waitpid(pid, 0)[1]
    found = findings.read_text(encoding="utf-8").splitlines() if findings.exists() else []
    if status:
        found.append(f"{current.read_text(encoding='utf-8')}: killed, status {status}: see {scratch / 'input'}")
    return int(count.read_text(encoding="ascii")), found


def _described(error: BaseException) -> str:
    """Return the exception and its place."""
    frames = traceback.extract_tb(error.__traceback__)
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames[-4:]))
    return f"{type(error).__name__}: {str(error)[:300]!r} at {where}"


def _read_all(target: Target, inputs: Iterator[tuple[str, bytes]], deadline: float, scratch: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    number = 0
    with open(scratch / "findings", "a", encoding="utf-8") as findings:
        for name, data in inputs:
            (scratch / "current").write_text(name, encoding="utf-8")
            (scratch / "input").write_bytes(data)
            signal.setitimer(signal.ITIMER_PROF, 10 * MOST_SECONDS)
            try:
                check(target, data)
            except BaseException as error:  # pylint: disable=broad-except  # panics of Rust included
                kept = scratch / f"finding-{number}"
                kept.write_bytes(data)
                findings.write(f"{name}: {_described(error)}: see {kept}\n")
                findings.flush()
            signal.setitimer(signal.ITIMER_PROF, 0)
            number += 1
            (scratch / "count").write_text(str(number), encoding="ascii")
            if time.monotonic() > deadline:
                return
