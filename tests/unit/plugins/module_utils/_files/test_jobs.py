# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a process do a job."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import accounts, jobs
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel

ME = accounts.find_account(None)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GridSecurityError("bad_mode", "text"), "bad_mode"),
        (OSError(5, "Input/output error", "/x"), "os_error"),
        (MemoryError(), "no_memory"),
    ],
)
def test_errors_become_failures(error: Exception, code: str) -> None:
    def handler(_argument: dict[str, Any]) -> dict[str, Any]:
        raise error

    failure = jobs.guarded(handler, {})
    assert (failure["failed"], failure["error_code"]) == (True, code)
    assert failure["msg"]


def test_a_job_is_sent_and_its_result_is_checked() -> None:
    engine, child = Channel.pair()
    with engine, child:
        child.send({"changed": "\x1b"})
        assert jobs.ask(engine, jobs.Job(ME, {"a": 1}, 20), {"b": 2}) == {"changed": "\\x1b"}
        assert json.loads(child.receive(time.monotonic() + 20)) == {"account": vars(ME), "argument": {"b": 2}}


@pytest.mark.parametrize(("answers", "code"), [(False, "timeout"), (True, "bad_answer")])
def test_no_answer_and_a_bad_answer_are_failures(answers: bool, code: str) -> None:
    engine, child = Channel.pair()
    with engine, child:
        if answers:
            child.send({"changed": "x" * 100})
        assert jobs.ask(engine, jobs.Job(ME, {}, 0.1 if not answers else 20, most=50), {})["error_code"] == code


def test_a_process_that_ended_is_a_failure() -> None:
    engine, child = Channel.pair()
    child.close()
    with engine:
        assert jobs.ask(engine, jobs.Job(ME, {}, 20), {})["error_code"] == "killed"
