# SPDX-License-Identifier: GPL-3.0-or-later
"""Start workers. Only root can take the rights of another user."""

from __future__ import annotations

import os
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import (
    accounts,
)
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Job
from ansible_collections.grid.security.plugins.module_utils._files.run_as import run_job
from ansible_collections.grid.security.tests.support.jobs import account, identity, run_jobs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")


def descriptors(_argument: dict[str, Any]) -> dict[str, Any]:
    """Where each descriptor leads; the one that lists them is gone by then."""
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {"open": [os.readlink(path) for path in paths if os.path.exists(path)]}


def end_fork_server(_argument: dict[str, Any]) -> dict[str, Any]:
    server = os.getppid()
    os.kill(server, 9)
    return {"fork_server": server}


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a user has used all of them up: told for this job, and the fork server goes on."""
    fork, calls = os.fork, []

    def refuse_second() -> int:
        calls.append(1)  # in the fork server this goes on from what it was when that was forked
        if len(calls) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refuse_second)
    jobs = [Job(account(), {}, 20)] * 2
    results = run_jobs(identity, jobs, False)
    assert results[0]["error_code"] == "no_process"
    assert "Uid" in results[1]


@pytest.mark.parametrize("secret", [False, True])
def test_lost_fork_server_is_replaced(secret: bool) -> None:
    root = accounts.find_account(None)
    jobs = [Job(root, {}, 20, apart=True)] * 4
    results = run_jobs(end_fork_server, jobs, secret)
    assert [result.get("error_code") for result in results] in ([None, "killed"] * 2, [None, None, "killed", None])
    assert len({result["fork_server"] for result in results if "fork_server" in result}) >= 2


@pytest.mark.parametrize("secret", [False, True])
def test_no_descriptor_is_taken_along(secret: bool) -> None:
    """Neither a pipe that ansible waits for, nor a way to the fork servers of other handlers."""
    run_job(identity, Job(account(), {}, 20), True)
    found = run_job(descriptors, Job(account(), {}, 20), secret)
    sockets = [path for path in found["open"] if path != os.devnull]
    assert len(sockets) == 1
    assert sockets[0].startswith("socket:")
