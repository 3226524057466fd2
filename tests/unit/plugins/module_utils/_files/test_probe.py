# SPDX-License-Identifier: GPL-3.0-or-later
"""One process compares for all owners. Only root can take their rights."""

from __future__ import annotations

import json
import os
import pwd
import time
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import (
    accounts,
)
from ansible_collections.grid.security.plugins.module_utils._files.jobs import UNFINISHED, Job
from ansible_collections.grid.security.plugins.module_utils._files.run_as import run_job
from ansible_collections.grid.security.tests.support.jobs import account, identity, run_jobs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")


def act(argument: dict[str, Any]) -> dict[str, Any]:
    """Do what the argument says, and tell by which process and with whose rights."""
    for action in argument["does"]:
        action_of[action]()
    return {**identity(argument), "pid": os.getpid(), UNFINISHED: argument.get("unfinished", False)}


action_of = {"hang": lambda: time.sleep(60), "die": lambda: os.kill(os.getpid(), 9)}


def look(name: str, does: tuple[str, ...] = (), unfinished: bool = False, limit: float = 20) -> Job:
    argument = {"does": does, "unfinished": unfinished}
    return Job(accounts.find_account(name), {"does": ()}, limit, probe_argument=argument)


def test_one_process_looks_for_all_and_stays_root_s() -> None:
    results = run_jobs(act, [look("nobody"), look("daemon"), look("nobody")], False)
    assert len({result["pid"] for result in results}) == 1
    for result, name in zip(results, ["nobody", "daemon", "nobody"]):
        entry = pwd.getpwnam(name)
        assert result["Uid"] == ["0", str(entry.pw_uid), "0", str(entry.pw_uid)], "real, effective, saved, file system"
        assert result["Gid"][1] == result["Gid"][3] == str(entry.pw_gid)
        assert set(result["Groups"]) <= {str(one) for one in os.getgrouplist(name, entry.pw_gid)}


def test_what_is_to_be_changed_is_changed_by_a_worker() -> None:
    first, second = run_jobs(act, [look("nobody"), look("nobody", unfinished=True)], False)
    assert first["pid"] != second["pid"]
    assert set(second["Uid"]) == {str(pwd.getpwnam("nobody").pw_uid)}


def test_a_look_that_hangs_is_waited_for_once_and_others_go_on() -> None:
    start = time.monotonic()
    results = run_jobs(act, [look("nobody", ("hang",), limit=0.5), look("daemon")], False)
    assert results[0]["error_code"] == "timeout"
    assert "Uid" in results[1]
    assert time.monotonic() - start < 20, "it would hang for a minute"


def test_if_the_probe_is_killed_workers_do_it() -> None:
    results = run_jobs(act, [look("nobody", ("die",)), look("daemon")], False)
    assert [len(set(result["Uid"])) for result in results] == [1, 2]


def test_who_cannot_give_rights_back_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may be looked for with somebody's rights."""
    seteuid = os.seteuid

    def refuse_root(uid: int) -> None:
        if uid == 0:
            raise PermissionError(1, "Operation not permitted")
        seteuid(uid)

    monkeypatch.setattr(os, "seteuid", refuse_root)
    results = run_jobs(act, [look("nobody"), look("daemon")], False)
    assert [len(set(result["Uid"])) for result in results] == [1, 1], "both by workers"


def attack(_argument: dict[str, Any]) -> dict[str, Any]:
    """Attack the probe as another process of the owner can."""
    probe, uid, gid = os.getpid(), os.geteuid(), os.getegid()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.seteuid(0)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        os.write(writing, json.dumps([_outcome(attempt, probe) for attempt in ATTEMPTS]).encode())
        os._exit(0)
    return {"outcomes": json.loads(os.read(reading, 4096))}


ATTEMPTS = [
    lambda probe: os.kill(probe, 19),
    lambda probe: os.kill(probe, 9),
    lambda probe: open(f"/proc/{probe}/mem", "rb").close(),
    lambda probe: os.listdir(f"/proc/{probe}/fd"),
]


def _outcome(attempt: Any, probe: int) -> str:
    try:
        attempt(probe)
    except OSError as error:
        return type(error).__name__
    return "done"


def test_the_owner_can_neither_stop_nor_read_the_process_that_looks() -> None:
    job = Job(account(), {}, 20, probe_argument={})
    assert run_job(attack, job, False)["outcomes"] == ["PermissionError"] * len(ATTEMPTS)
