# SPDX-License-Identifier: GPL-3.0-or-later
"""Every home of :mod:`cases` in one run each of placing, placing with backups, and removing.

All cases of a run share a trace of all system calls, and a snapshot of the files of all other accounts.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.grid.security.tests.hostile.cases import CASES, CERTIFICATE, KEY, Home
from ansible_collections.grid.security.tests.support import accounts, snapshot, syscalls
from ansible_collections.grid.security.tests.support.engine import Engine, Run, credential_set, encoded, removal_set

TEXTS = ("certificate of mallory", "key of mallory")
BYSTANDERS = ("certificate of alice", "key of alice")
SHARED = ("usercert.pem", "secret")  # targets of the hard links of cases
REAL = ("/etc", "/etc/passwd", "/root", "/proc/self/fd", "/dev/zero")
RUNS = ("placed", "backed up", "removed")


@dataclass
class Trial:
    """Run all cases, and a second time, when there should be nothing to do."""

    first: Run
    again: Run
    homes: dict[str, Home]
    calls: list[syscalls.Call]
    differences: list[str]
    impossible: list[str] = field(default_factory=list)


@pytest.fixture(scope="module", params=RUNS, name="trial")
def _trial(
    request: pytest.FixtureRequest, emptied_world: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trial]:
    world = emptied_world
    world.reset()
    homes, impossible = prepared(world)
    before = snapshot.take(world.home(world.bob), world.roots)
    sets = [attacked(request.param, name, homes[name]) for name in homes]
    bystander = credential_set("bystander", world.alice.pw_name, "~/.globus", BYSTANDERS)
    trace = tmp_path_factory.mktemp("trace") / "trace"
    contents = encoded(*TEXTS, *BYSTANDERS)
    first = Engine([*sets, bystander], contents, prefix=syscalls.command(trace)).result()
    again = Engine([*sets, bystander], contents).result()
    after = snapshot.take(world.home(world.bob), world.roots)
    yield Trial(first, again, homes, syscalls.read(trace), snapshot.differences(before, after), impossible)


def prepared(world: Any) -> tuple[dict[str, Home], list[str]]:
    """Prepare all cases below the attacker's home. Return the cases that this file system does not support, too."""
    homes, impossible = {}, []
    for number, (name, case) in enumerate(CASES.items()):
        directory = os.fsdecode(case.directory) if case.directory else f"case{number}"
        home = Home(world.home(world.mallory) / directory, world.mallory, world.bob, world.roots)
        home.directory("")
        try:
            case.prepare(home)
        except subprocess.CalledProcessError:
            impossible.append(name)
        homes[name] = home
    return homes, impossible


def attacked(run: str, name: str, home: Home) -> dict[str, Any]:
    directory = f"~/{home.path.name}/.globus"
    if run == "removed":
        return removal_set(name, home.attacker.pw_name, directory)
    return credential_set(name, home.attacker.pw_name, directory, TEXTS, backup=run == "backed up")


@pytest.mark.parametrize("name", CASES)
def test_outcome(trial: Trial, name: str, request: pytest.FixtureRequest) -> None:
    if name in trial.impossible:
        pytest.skip("this file system has no such attributes")
    expected = CASES[name].outcomes[request.node.callspec.params["trial"]]
    outcome = trial.first.outcomes[name]
    assert trial.first.kinds()[name] == expected, outcome
    assert trial.again.kinds()[name] == ("unchanged" if expected in ("changed", "unchanged") else expected)
    if outcome.get("failed"):
        assert outcome["msg"].endswith(".")
        assert "/" in outcome["msg"]
    elif request.node.callspec.params["trial"] != "removed":
        check_placed(trial.homes[name])


def check_placed(home: Home) -> None:
    for name, text in zip((CERTIFICATE, KEY), TEXTS):
        status = (home.globus / name).lstat()
        assert (status.st_uid, status.st_mode, status.st_nlink) == (home.attacker.pw_uid, stat.S_IFREG | 0o600, 1)
        assert (home.globus / name).read_text() == text


def test_others_in_the_same_run_are_done(trial: Trial, emptied_world: Any) -> None:
    assert trial.first.kinds()["bystander"] == "changed"
    assert trial.again.kinds()["bystander"] == "unchanged"
    placed = [(emptied_world.home(emptied_world.alice) / ".globus" / name).read_text() for name in (CERTIFICATE, KEY)]
    assert tuple(placed) == BYSTANDERS


def test_what_others_have_is_as_before(trial: Trial) -> None:
    """Ignore link count and change time: users may remove a hard link from their home."""
    unlinked = tuple(f"{name}': {fact} changed" for name in SHARED for fact in ("nlink", "ctime_ns"))
    assert [line for line in trial.differences if not line.endswith(unlinked)] == []
    for place in ("/etc", "/root"):
        assert not set(os.listdir(place)) & {CERTIFICATE, KEY, ".globus"}


def test_root_touches_nothing_in_a_home(
    trial: Trial, emptied_world: Any, record_property: Callable[[str, int], None]
) -> None:
    record_property("system calls traced", len(trial.calls))
    record_property("hostile homes", len(trial.homes))
    below = [call for call in trial.calls if call.touches(emptied_world.homes)]
    assert [call for call in below if call.uid == 0] == []


def test_each_home_is_touched_with_its_owner_s_rights_only(trial: Trial, emptied_world: Any) -> None:
    seen = 0
    for account in (emptied_world.mallory, emptied_world.alice):
        calls = [call for call in trial.calls if call.touches(account.pw_dir)]
        assert {call.uid for call in calls} == {account.pw_uid}
        seen += len(calls)
    assert seen > 5 * len(CASES)  # the trace has calls


def test_ten_thousand_files(world: Any) -> None:
    """Give half of the files the names of the engine's temporary files."""
    place = world.home(world.mallory) / ".globus"
    place.mkdir()
    world.own(world.mallory, place)
    with accounts.acting_as(world.mallory, _fill, place, 10000) as pid:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    one = credential_set("one", world.mallory.pw_name, "~/.globus", TEXTS)
    assert Engine([one], encoded(*TEXTS)).result().kinds() == {"one": "changed"}
    assert len(os.listdir(place)) == 5002
    assert Engine([one]).result().kinds() == {"one": "unchanged"}


def _fill(place: Path, count: int) -> None:
    """Use many names of one file, because links are made faster than files."""
    (place / "0.pem").touch()
    for number in range(1, count):
        name = f"{number}.pem" if number % 2 == 0 else f".grid-security-{number:016x}.tmp"
        os.link(place / "0.pem", place / name)


@pytest.mark.parametrize("home", [b"/", b"/etc", b"/proc/self", b"/dev/fd/3", b"/dev/null"])
def test_homes_that_are_none(world: Any, home: bytes) -> None:
    """Test homes in the password database that are no usable home. Each has its own account."""
    with accounts.created("odd", home) as odd:
        sets = [
            credential_set("odd", odd.pw_name, "~/.globus", TEXTS),
            credential_set("bystander", world.alice.pw_name, "~/.globus", BYSTANDERS),
        ]
        run = Engine(sets, encoded(*TEXTS, *BYSTANDERS)).result()
        again = Engine([removal_set("odd", odd.pw_name, "~/.globus")]).result()
    assert run.kinds()["bystander"] == "changed"
    assert run.outcomes["odd"]["msg"].endswith(".")
    assert run.kinds()["odd"] in ("os_error", "no_directory", "no_access", "not_a_directory")
    assert again.kinds()["odd"] in ("unchanged", "not_a_directory", "no_access")
    assert not [place for place in ("/", "/etc", "/dev", "/root") if ".globus" in os.listdir(place)]
