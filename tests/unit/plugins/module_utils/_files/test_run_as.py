# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of processes, whichever process does the job. Only root can take the rights of another user."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import (
    accounts,
)
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Job
from ansible_collections.grid.security.plugins.module_utils._files.run_as import run_job
from ansible_collections.grid.security.tests.support.jobs import account, run_jobs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")


def say(argument: dict[str, Any]) -> dict[str, Any]:
    """Answer by hand, as a process could that is in its user's hands."""
    channel = next(one for one in map(_socket, os.listdir("/proc/self/fd")) if one)
    said = argument["says"].encode("latin-1")
    channel.sendall(len(said).to_bytes(8, "big") if argument["size"] is None else bytes.fromhex(argument["size"]))
    for start in range(len(said)) if argument["dribbles"] else (0,):
        channel.sendall(said[start : start + 1] if argument["dribbles"] else said)
        time.sleep(0.0002)  # shorter than any time that is waited for a single byte
    time.sleep(60)
    return {}


def _socket(descriptor: str) -> socket.socket | None:
    path = f"/proc/self/fd/{descriptor}"
    is_socket = os.path.exists(path) and os.readlink(path).startswith("socket:")
    return socket.socket(fileno=int(descriptor)) if is_socket else None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"says": "", "size": "7fffffffffffffff"}, "bad_answer"),
        ({"says": "x" * 100_000, "size": None}, "bad_answer"),
        ({"says": "nonsense", "size": None}, "bad_answer"),
        ({"says": "[]", "size": None}, "bad_answer"),
        ({"says": "[" * 5000, "size": None}, "bad_answer"),
        ({"says": '{"failed": 1}', "size": None}, "bad_answer"),
        ({"says": "x" * 10, "size": "00000000000003e8"}, "timeout"),
        ({"says": " " * 100_000, "size": None, "dribbles": True}, "timeout"),
    ],
    ids=["endless", "too much", "no JSON", "no answer", "nested", "no message", "waits", "dribbles"],
)
@pytest.mark.parametrize("looks", [False, True])
def test_bad_answers_fail_and_others_go_on(said: dict[str, Any], kind: str, looks: bool) -> None:
    argument = {"dribbles": False, **said}
    job = Job(
        account(),
        argument,
        1,
        most=1_000_000 if argument["dribbles"] else 10_000,
        probe_argument=argument if looks else None,
    )
    start = time.monotonic()
    results = run_jobs(say, [job, job], False)
    assert [result["error_code"] for result in results] == [kind, kind]
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize("name", ["nobody", "root"])
def test_answers_are_printable_whoever_works(name: str, secret: bool) -> None:
    argument = {"\udcff": "\x1b[2J\udc80", "failed": False}
    result = run_job(echo, Job(accounts.find_account(name), argument, 20), secret)
    assert result == {"\\xff": "\\x1b[2J\\x80", "failed": False}


def echo(argument: dict[str, Any]) -> dict[str, Any]:
    return argument


def test_answers_of_work_in_this_process_are_bounded() -> None:
    job = Job(accounts.find_account("root"), {"text": "x" * 2000}, 20, most=1000)
    assert run_job(echo, job, False)["error_code"] == "bad_answer"
