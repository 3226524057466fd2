# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchange files in a user's home thousands of times while the engine works there."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.grid.security.tests.support import accounts, snapshot, syscalls
from ansible_collections.grid.security.tests.support.counter import Counter
from ansible_collections.grid.security.tests.support.engine import (
    Engine,
    Run,
    credential_set,
    encoded,
    removal_set,
)
from ansible_collections.grid.security.tests.support.swapping import swapping

LONG = bool(os.environ.get("HOSTILE_LONG"))
ROUNDS = 40 if LONG else 2
SETS = 40
PAIRS = [("certificate one of mallory", "key one of mallory"), ("certificate two of mallory", "key two of mallory")]
BYSTANDERS = ("certificate of alice", "key of alice")
CONTENTS = encoded(*PAIRS[0], *PAIRS[1], *BYSTANDERS)
CLEAR = {"not_a_directory", "is_directory", "no_directory", "no_access", "os_error", "changed_meanwhile", "incomplete"}

Prepare = Callable[[Path, Any], list[tuple[Path, Path]]]
RACES: dict[str, Prepare] = {}


def race(name: str) -> Callable[[Prepare], Prepare]:
    def register(prepare: Prepare) -> Prepare:
        RACES[name] = prepare
        return prepare

    return register


def globus(home: Path) -> Path:
    (home / ".globus").mkdir(mode=0o700)
    return home / ".globus"


@race("directory and link to another user's")
def _link_to_users(home: Path, world: Any) -> list[tuple[Path, Path]]:
    (home / "trap").symlink_to(world.home(world.bob) / ".globus")
    return [(globus(home), home / "trap")]


@race("directory and link to root's")
def _link_to_roots(home: Path, world: Any) -> list[tuple[Path, Path]]:
    (home / "trap").symlink_to(world.roots / ".globus")
    return [(globus(home), home / "trap")]


@race("directory, FIFO and closed directory")
def _other_directories(home: Path, world: Any) -> list[tuple[Path, Path]]:
    os.mkfifo(home / "trap")
    (home / "closed").mkdir(mode=0o000)
    return [(globus(home), home / "trap"), (home / ".globus", home / "closed")]


@race("home and link to root's")
def _home(home: Path, world: Any) -> list[tuple[Path, Path]]:
    globus(home)
    (home.parent / "trap").symlink_to(world.roots)
    return [(home, home.parent / "trap")]


@race("files and links")
def _links(home: Path, world: Any) -> list[tuple[Path, Path]]:
    place = globus(home)
    targets = {"usercert.pem": world.home(world.bob) / ".globus/userkey.pem", "userkey.pem": world.roots / "secret"}
    for name, target in targets.items():
        (place / name).write_text("mine")
        (place / f"trap.{name}").symlink_to(target)
    return [(place / name, place / f"trap.{name}") for name in targets]


@race("files, FIFOs and directories")
def _special_files(home: Path, world: Any) -> list[tuple[Path, Path]]:
    place = globus(home)
    for name in ("usercert.pem", "userkey.pem"):
        (place / name).write_text("mine")
    os.mkfifo(place / "fifo")
    (place / "directory").mkdir()
    return [(place / "usercert.pem", place / "fifo"), (place / "userkey.pem", place / "directory")]


@race("files and hard links")
def _hard_links(home: Path, world: Any) -> list[tuple[Path, Path]]:
    place = globus(home)
    for name in ("usercert.pem", "userkey.pem"):
        (place / name).write_text("mine")
        os.link(world.roots / "secret", place / f"trap.{name}")  # as on a kernel without this protection
    return [(place / name, place / f"trap.{name}") for name in ("usercert.pem", "userkey.pem")]


def sets_for(world: Any, directory: str, count: int = SETS) -> list[dict[str, Any]]:
    """Return sets that place two pairs in turn, with backups and removals, and then a bystander's pair."""
    owner = world.mallory.pw_name
    kinds = [
        lambda name: credential_set(name, owner, directory, PAIRS[0]),
        lambda name: credential_set(name, owner, directory, PAIRS[1], mode="0400"),
        lambda name: credential_set(name, owner, directory, PAIRS[1], backup=True),
        lambda name: removal_set(name, owner, directory),
    ]
    attacked = [kinds[number % len(kinds)](f"attacked {number}") for number in range(count)]
    return [*attacked, credential_set("bystander", world.alice.pw_name, "~/.globus", BYSTANDERS)]


def own_everything(world: Any, top: Path) -> None:
    for path in [top, *top.rglob("*")]:
        if path.is_symlink() or path.stat().st_nlink == 1 or path.is_dir():
            world.own(world.mallory, path)


@pytest.mark.parametrize("name", RACES)
def test_race(world: Any, tmp_path: Path, record_property: Callable[[str, int], None], name: str) -> None:
    home = world.home(world.mallory) / "home"
    home.mkdir()
    pairs = RACES[name](home, world)
    own_everything(world, world.home(world.mallory))
    before = others(world)
    counter = Counter()
    with swapping(world.mallory, counter, *pairs):
        runs = [Engine(sets_for(world, "~/home/.globus"), CONTENTS).result() for _round in range(ROUNDS)]
        traced = syscalls.command(tmp_path / "trace")
        runs.append(Engine(sets_for(world, "~/home/.globus", 10), CONTENTS, prefix=traced).result())
    ignored = ("nlink", "ctime_ns") if "hard" in name else ()  # a user who removes an own link changes these
    assert snapshot.differences(before, others(world), ignored) == []
    assert [run.kinds()["bystander"] for run in runs] == ["changed"] + ["unchanged"] * ROUNDS
    check_clear(runs)
    assert len({told(outcome) for run in runs for outcome in run.outcomes.values()}) > 5  # the race has started
    calls = syscalls.read(tmp_path / "trace")
    assert [call for call in calls if call.uid == 0 and call.touches(world.homes)] == []
    assert counter.value() > 1000
    record_property("names exchanged", counter.value())
    record_property("system calls traced", len(calls))


def told(outcome: dict[str, Any]) -> str:
    return str(outcome.get("msg") or [entry["changes"] for entry in outcome["entries"]])


def check_clear(runs: list[Run]) -> None:
    """Check that each set converged, or that there is one error of a known kind."""
    outcomes = [outcome for run in runs for outcome in run.outcomes.values()]
    assert [one for one in outcomes if one.get("failed") and (one["error_code"] not in CLEAR or not one["msg"])] == []


def others(world: Any) -> snapshot.Tree:
    return snapshot.take(world.home(world.bob), world.roots)


# --- temporary files of the engine ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["another user's", "root's"])
def test_temporaries_and_backups_are_exchanged(world: Any, target: str) -> None:
    """Replace the engine's temporary files by links, open them to everybody, or write to them."""
    place = globus(world.home(world.mallory))
    own_everything(world, place)
    before = others(world)
    victim = world.home(world.bob) / ".globus/userkey.pem" if "user" in target else world.roots / "secret"
    counter = Counter()
    with accounts.acting_as(world.mallory, _meddle, place, victim, counter):
        runs = [Engine(sets_for(world, "~/.globus"), CONTENTS).result() for _round in range(ROUNDS)]
    assert snapshot.differences(before, others(world)) == []
    check_clear(runs)
    assert [run.kinds()["bystander"] for run in runs] == ["changed"] + ["unchanged"] * (ROUNDS - 1)
    assert counter.value() > 10


def _meddle(place: Path, victim: Path, counter: Counter) -> None:
    """Run until killed."""
    os.chdir(place)
    while True:
        for name in os.listdir("."):
            if name.endswith((".tmp", "~")):
                with contextlib.suppress(OSError):
                    random.choice((_replace, _open_to_all, _write_to))(name, victim)
                    counter.add()


def _replace(name: str, victim: Path) -> None:
    os.symlink(victim, "trap")
    os.rename("trap", name)


def _open_to_all(name: str, _victim: Path) -> None:
    os.chmod(name, 0o777)


def _write_to(name: str, _victim: Path) -> None:
    with open(name, "ab") as stream:
        stream.write(b"mallory's")


def test_home_that_comes_and_goes(world: Any) -> None:
    """Remove the directory with its contents, and make it again."""
    own_everything(world, globus(world.home(world.mallory)))
    before = others(world)
    counter = Counter()
    with accounts.acting_as(world.mallory, _come_and_go, world.home(world.mallory) / ".globus", counter):
        runs = [Engine(sets_for(world, "~/.globus"), CONTENTS).result() for _round in range(ROUNDS)]
    assert snapshot.differences(before, others(world)) == []
    check_clear(runs)
    assert counter.value() > 100


def _come_and_go(place: Path, counter: Counter) -> None:
    while True:
        shutil.rmtree(place, ignore_errors=True)
        with contextlib.suppress(OSError):
            place.mkdir()
            counter.add()
