# SPDX-License-Identifier: GPL-3.0-or-later
"""Work with another user's rights. Only root can take them, so elsewhere these tests are skipped, visibly."""

from __future__ import annotations

import json
import os
import pwd
import socket
import time
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import accounts
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel
from ansible_collections.grid.security.plugins.module_utils._files.jobs import UNFINISHED, Handler, Job
from ansible_collections.grid.security.plugins.module_utils._files.run_as import Runner, run_job

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")


def account() -> accounts.Account:
    return accounts.find_account("nobody")


def run_jobs(handler: Handler, jobs: list[Job], secret: bool) -> list[dict[str, Any]]:
    with Runner(handler, secret) as runner:
        return [runner.run(job) for job in jobs]


def identity(_argument: dict[str, Any]) -> dict[str, Any]:
    # No encoding but UTF-8: others would be imported now, from a place that this user may not be able to read.
    with open("/proc/self/status", encoding="utf-8") as stream:
        lines = dict(line.split(":\t", 1) for line in stream if ":\t" in line)
    return {name: lines[name].split() for name in ("Uid", "Gid", "Groups")}


def hang(_argument: dict[str, Any]) -> dict[str, Any]:
    time.sleep(60)
    return {}


def die(_argument: dict[str, Any]) -> dict[str, Any]:
    os.kill(os.getpid(), 9)
    return {}


def end_steward(_argument: dict[str, Any]) -> dict[str, Any]:
    steward = os.getppid()
    os.kill(steward, 9)
    return {"steward": steward}


def descriptors(_argument: dict[str, Any]) -> dict[str, Any]:
    """Where each descriptor leads; the one that lists them is gone by then."""
    paths = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return {"open": [os.readlink(path) for path in paths if os.path.exists(path)]}


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


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a user has used all of them up: told for this job, and the steward goes on."""
    fork, calls = os.fork, []

    def refuse_second() -> int:
        calls.append(1)  # in the steward this goes on from what it was when that was forked
        if len(calls) == 2:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return fork()

    monkeypatch.setattr(os, "fork", refuse_second)
    jobs = [Job(account(), {}, 20)] * 2
    results = run_jobs(identity, jobs, False)
    assert results[0]["error_code"] == "no_process"
    assert "Uid" in results[1]


@pytest.mark.parametrize("secret", [False, True])
def test_lost_steward_is_replaced(secret: bool) -> None:
    root = accounts.find_account(None)
    jobs = [Job(root, {}, 20, apart=True)] * 4
    results = run_jobs(end_steward, jobs, secret)
    assert [result.get("error_code") for result in results] in ([None, "killed"] * 2, [None, None, "killed", None])
    assert len({result["steward"] for result in results if "steward" in result}) >= 2


@pytest.mark.parametrize("secret", [False, True])
def test_no_descriptor_is_taken_along(secret: bool) -> None:
    """Neither a pipe that ansible waits for, nor a way to the stewards of other handlers."""
    run_job(identity, Job(account(), {}, 20), True)
    found = run_job(descriptors, Job(account(), {}, 20), secret)
    sockets = [path for path in found["open"] if path != os.devnull]
    assert len(sockets) == 1
    assert sockets[0].startswith("socket:")


def test_unknown_account() -> None:
    with pytest.raises(GridSecurityError, match="no account 'nobody-of-this-name'"):
        accounts.find_account("nobody-of-this-name")


# --- looks ------------------------------------------------------------------------------------------------------------


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


def test_if_the_looker_is_killed_workers_do_it() -> None:
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
    """What another process of the owner's can do to the one that looks."""
    looker, uid, gid = os.getpid(), os.geteuid(), os.getegid()
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.seteuid(0)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
        os.write(writing, json.dumps([_outcome(attempt, looker) for attempt in ATTEMPTS]).encode())
        os._exit(0)
    return {"outcomes": json.loads(os.read(reading, 4096))}


ATTEMPTS = [
    lambda looker: os.kill(looker, 19),
    lambda looker: os.kill(looker, 9),
    lambda looker: open(f"/proc/{looker}/mem", "rb").close(),
    lambda looker: os.listdir(f"/proc/{looker}/fd"),
]


def _outcome(attempt: Any, looker: int) -> str:
    try:
        attempt(looker)
    except OSError as error:
        return type(error).__name__
    return "done"


def test_the_owner_can_neither_stop_nor_read_the_process_that_looks() -> None:
    job = Job(account(), {}, 20, probe_argument={})
    assert run_job(attack, job, False)["outcomes"] == ["PermissionError"] * len(ATTEMPTS)


# --- answers ----------------------------------------------------------------------------------------------------------


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


def test_the_time_limit_holds_for_whoever_always_has_one_more_byte() -> None:
    ours, theirs = Channel.pair()
    with ours, theirs:
        theirs.send_number(12345678)
        with pytest.raises(TimeoutError):
            ours.receive_number(time.monotonic() - 1)


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


@pytest.mark.parametrize("name", ["al\0ice", "\ud800"])
def test_names_that_no_account_can_have(name: str) -> None:
    with pytest.raises(GridSecurityError, match="no name of an account") as raised:
        accounts.find_account(name)
    assert raised.value.error_code == "bad_owner"
