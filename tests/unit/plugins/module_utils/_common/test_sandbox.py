# SPDX-License-Identifier: GPL-3.0-or-later
"""Work within limits: what comes back, what is stopped, and what is not told."""

from __future__ import annotations

import ctypes
import hashlib
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.tests.support import sandboxed

PR_GET_DUMPABLE = 3


def run(work: Callable[[], Any], seconds: int = 1) -> dict[str, Any]:
    return sandboxed.run(sandbox.Job(work, seconds, "alice.p12"))


def failure(work: Callable[[], Any]) -> GridSecurityError:
    with pytest.raises(GridSecurityError) as caught:
        run(work)
    assert caught.value.message.startswith("alice.p12: ")
    return caught.value


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_result_comes_back() -> None:
    assert run(lambda: {"text": "é" * 1_000_000})["text"] == "é" * 1_000_000


def test_errors_come_back_as_they_are() -> None:
    error = failure(raising(GridSecurityError("wrong_passphrase", "alice.p12: it is wrong.")))
    assert (error.error_code, error.message) == ("wrong_passphrase", "alice.p12: it is wrong.")


def _loop() -> None:
    while True:
        pass


@pytest.mark.parametrize("work", [_loop, lambda: hashlib.pbkdf2_hmac("sha1", b"", b"", 1 << 30)])
def test_endless_work_is_stopped(work: Callable[[], Any]) -> None:
    assert failure(work).error_code == "kdf_limit"


def test_what_waits_forever_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_PATIENCE", 1)
    assert failure(lambda: time.sleep(1000)).error_code == "kdf_limit"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_memory_is_limited() -> None:
    assert "too much memory" in failure(lambda: bytearray(4 << 30)).message


@pytest.mark.parametrize("error", [ValueError("planted"), KeyboardInterrupt("planted"), SystemExit("planted")])
def test_unexpected_errors_are_named_and_not_quoted(error: BaseException) -> None:
    found = failure(raising(error))
    assert found.error_code == "internal"
    assert f"{type(error).__name__} in test_sandbox.py, line" in found.message
    assert "planted" not in found.message


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTRAP])
def test_crash_is_told(number: int) -> None:
    assert failure(lambda: os.kill(os.getpid(), number)).error_code == "internal"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_memory_is_in_no_core_dump() -> None:
    facts = run(
        lambda: {
            "dumpable": ctypes.CDLL(None).prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
            "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        }
    )
    assert facts == {"dumpable": 0, "core": 0}


def test_nothing_is_left_open_or_running() -> None:
    before = os.listdir("/dev/fd")
    for work in (dict, raising(ValueError()), lambda: os.kill(os.getpid(), signal.SIGKILL)):
        try:
            run(work)
        except GridSecurityError:
            pass
    assert os.listdir("/dev/fd") == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_many_at_a_time_come_back_in_order() -> None:
    def work(number: int) -> Callable[[], dict[str, Any]]:
        return lambda: time.sleep(0.02 * (number % 3)) or {"number": number}

    outcomes = sandbox.run_all([sandbox.Job(work(number), 1, "alice.p12") for number in range(12)])
    assert [one["number"] for one in outcomes if isinstance(one, dict)] == list(range(12))


def test_one_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    fork, calls = os.fork, []

    def refuse_second() -> int:
        calls.append(1)
        if len(calls) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refuse_second)
    works = [_loop, dict, dict, raising(ValueError("unexpected")), dict]
    outcomes = sandbox.run_all([sandbox.Job(work, 1, f"{number}.p12") for number, work in enumerate(works)])
    kinds = [one.error_code if isinstance(one, GridSecurityError) else one for one in outcomes]
    assert kinds == ["kdf_limit", "internal", {}, "internal", {}]
    assert "1.p12: no process can open it" in str(outcomes[1])
