# SPDX-License-Identifier: GPL-3.0-or-later
"""Work with another user's rights. Only root can take them, so elsewhere these tests are skipped."""

from __future__ import annotations

import os
import pwd
import time
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files.jobs import Job
from ansible_collections.grid.security.plugins.module_utils._files.run_as import run_job
from ansible_collections.grid.security.tests.support.jobs import account, identity, run_jobs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")


def hang(_argument: dict[str, Any]) -> dict[str, Any]:
    time.sleep(60)
    return {}


def die(_argument: dict[str, Any]) -> dict[str, Any]:
    os.kill(os.getpid(), 9)
    return {}


def crash(_argument: dict[str, Any]) -> dict[str, Any]:
    raise ValueError("unexpected")


@pytest.mark.parametrize("secret", [False, True])
def test_every_id_is_the_owner_s(secret: bool) -> None:
    entry = pwd.getpwnam("nobody")
    found = run_job(identity, Job(account(), {}, 20), secret)
    assert set(found["Uid"]) == {str(entry.pw_uid)}
    assert set(found["Gid"]) == {str(entry.pw_gid)}
    assert set(found["Groups"]) <= {str(entry.pw_gid)}


def test_overrun_is_ended_and_others_go_on() -> None:
    results = run_jobs(hang, [Job(account(), {}, 0.2), Job(account(), {}, 0.2)], False)
    assert [result["error_code"] for result in results] == ["timeout", "timeout"]


@pytest.mark.parametrize(("handler", "kind"), [(die, "killed"), (crash, "internal")])
def test_death_and_defects_are_reported(handler: Any, kind: str) -> None:
    assert run_job(handler, Job(account(), {}, 20), False)["error_code"] == kind
