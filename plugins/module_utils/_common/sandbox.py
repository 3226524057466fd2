# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on untrusted files in a child process with limits on time and memory.

A file can hide the number of its iterations in its encrypted parts. A C library then does the work, and nothing in this
process could interrupt it. The child process also keeps decrypted keys out of this process and out of core dumps.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import resource
import selectors
import signal
import traceback
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["Job", "processors", "run_all"]

Work = Callable[[], dict[str, Any]]

_MOST_MEMORY = 1 << 30  # bytes, in addition to the memory of this process
_PATIENCE = 20  # seconds of elapsed time for each second of processor time, for machines under load
_OVERRUN = (signal.SIGXCPU, signal.SIGALRM)
_CHUNK = 1 << 16  # bytes


@dataclass(frozen=True)
class Job:
    """Describe the work on one file.

    :param work: returns a dictionary for JSON. :param seconds: the limit of processor time.
    :param name: the file's name in messages.
    """

    work: Work
    seconds: int
    name: str


def run_all(jobs: list[Job]) -> list[dict[str, Any] | GridSecurityError]:
    """Return the result or the error of each job, in order. Run one job on each processor at the same time.

    The error has the code ``kdf_limit`` if the work took too long, ``internal``, or the code of an error of the work.
    """
    outcomes: dict[int, dict[str, Any] | GridSecurityError] = {}
    waiting = collections.deque(enumerate(jobs))
    with selectors.DefaultSelector() as running:
        while waiting or running.get_map():
            while waiting and len(running.get_map()) < processors():
                index, job = waiting.popleft()
                try:
                    child = _Child(job)
                except OSError as error:
                    outcomes[index] = _not_started(job.name, error)
                else:
                    running.register(child.reading, selectors.EVENT_READ, (index, child))
            for key, _events in running.select():
                index, child = key.data
                if not child.read():
                    running.unregister(child.reading)
                    outcomes[index] = child.outcome()
    return [outcomes[index] for index in range(len(jobs))]


def processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Child:
    """Run one job in a child process."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.answer = b""
        self.reading, writing = os.pipe()
        try:
            self.pid = os.fork()
            if self.pid == 0:
                _work_and_exit(job.work, job.seconds, writing)
        except OSError:
            os.close(self.reading)
            raise
        finally:
            os.close(writing)

    def read(self) -> bool:
        """Read the next part of the answer. Return whether more will follow."""
        chunk = os.read(self.reading, _CHUNK)
        self.answer += chunk
        return bool(chunk)

    def outcome(self) -> dict[str, Any] | GridSecurityError:
        os.close(self.reading)
        _pid, status = os.waitpid(self.pid, 0)
        name = self.job.name
        if status != 0:
            return _killed(name, self.job.seconds, os.WTERMSIG(status) in _OVERRUN)
        return _result(json.loads(self.answer), name)


def _work_and_exit(work: Work, seconds: int, descriptor: int) -> None:
    """Do the work, write the answer, and exit. Never return, because the child must not clean up for its parent."""
    try:
        _limit(seconds)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(_answer(work), stream)
    except BaseException:  # pylint: disable=broad-except
        os._exit(1)
    os._exit(0)


def _limit(seconds: int) -> None:
    process.hide_memory()
    for number in _OVERRUN:
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    signal.alarm(_PATIENCE * seconds)
    with contextlib.suppress(OSError, ValueError):  # not Linux, or a lower limit is already set
        with open("/proc/self/statm", encoding="ascii") as stream:
            present = int(stream.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (present + _MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _answer(work: Work) -> dict[str, Any]:
    try:
        return {"result": work()}
    except GridSecurityError as error:
        return {"error_code": error.error_code, "message": error.message}
    except MemoryError:
        return {"unexpected": "it needs too much memory"}
    except BaseException as error:  # pylint: disable=broad-except  # panics of cryptography's Rust are no Exception
        frame = traceback.extract_tb(error.__traceback__)[-1]
        # The text of the error may quote a secret, so it is left out.
        return {"unexpected": f"{type(error).__name__} in {os.path.basename(frame.filename)}, line {frame.lineno}"}


def _result(answer: dict[str, Any], name: str) -> dict[str, Any] | GridSecurityError:
    if "error_code" in answer:
        return GridSecurityError(answer["error_code"], answer["message"])
    if "unexpected" in answer:
        return GridSecurityError(
            "internal",
            f"{name}: it cannot be converted: {answer['unexpected']}. Export it again, and report this error.",
        )
    result: dict[str, Any] = answer["result"]
    return result


def _not_started(name: str, error: OSError) -> GridSecurityError:
    return GridSecurityError(
        "internal",
        f"{name}: no process can open it: {error.strerror}. Check the memory and the limits on processes and open"
        " files, then run again.",
    )


def _killed(name: str, seconds: int, overrun: bool) -> GridSecurityError:
    if overrun:
        return GridSecurityError(
            "kdf_limit",
            f"{name}: it takes too long to open (the limit is {seconds} s of processor time). If you trust the file,"
            " raise max_kdf_iterations, which also raises this limit.",
        )
    return GridSecurityError(
        "internal",
        f"{name}: the process that converted it was killed. Find the reason in the system's log, and report it.",
    )
