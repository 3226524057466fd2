# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that two runs at the same time with different content leave the complete content of one run."""

from __future__ import annotations

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import exchange, manifest, scan
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Request
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_store
from ansible_collections.grid.security.tests.support import accounts
from ansible_collections.grid.security.tests.support.counter import Counter
from ansible_collections.grid.security.tests.support.engine import Engine, credential_set, encoded

LONG = bool(os.environ.get("HOSTILE_LONG"))
ROUNDS = 100 if LONG else 4
SETS = 12
PAIRS = {name: (f"certificate {name} " * 500, f"key {name} " * 500) for name in ("one", "two", "three")}
LOCK = ".grid-security-lock.tmp"
NAMES = ("usercert.pem", "userkey.pem")


def texts_of(place: Path) -> tuple[str, ...]:
    return tuple((place / name).read_text() for name in NAMES)


@pytest.mark.parametrize("owner", ["alice", None])
def test_one_home(world: Any, owner: str | None, record_property: Callable[[str, int], None]) -> None:
    """Place the same pair many times in both processes, so that they meet at every point of the work."""
    place = world.home(world.alice) / ".globus" if owner else world.roots / ".globus"
    directory = "~/.globus" if owner else str(place)
    name = world.alice.pw_name if owner else None
    for number in range(ROUNDS):
        chosen = [PAIRS[one] for one in ("one", "two", "three")[: 2 + number % 2]]
        engines = [
            Engine([credential_set(str(n), name, directory, pair) for n in range(SETS)], encoded(*pair))
            for pair in chosen
        ]
        runs = [one.result() for one in engines]
        assert {kind for run in runs for kind in run.kinds().values()} <= {"changed", "unchanged"}
        assert texts_of(place) in chosen
        assert sorted(os.listdir(place)) == list(NAMES)
    record_property("runs at the same time", ROUNDS * SETS * 2)


def test_readers_see_whole_files_only(world: Any) -> None:
    place = world.home(world.alice) / ".globus"
    start = credential_set("start", world.alice.pw_name, "~/.globus", PAIRS["one"])
    Engine([start], encoded(*PAIRS["one"])).result()
    seen, odd = Counter(), Counter()
    with accounts.acting_as(world.alice, _read, place, seen, odd):
        engines = [
            Engine(
                [credential_set(str(n), world.alice.pw_name, "~/.globus", PAIRS[name]) for n in range(SETS)],
                encoded(*PAIRS[name]),
            )
            for name in ("one", "two")
        ]
        for one in engines:
            one.result()
    assert odd.value() == 0
    assert seen.value() > 100


def _read(place: Path, seen: Counter, odd: Counter) -> None:
    whole = {text for pair in PAIRS.values() for text in pair}
    while True:
        for name in NAMES:
            (seen if (place / name).read_text() in whole else odd).add()


# --- a trust directory ------------------------------------------------------------------------------------------------


def layout(path: Path, *aliases: str) -> ManagedDirectory:
    """Make a trust directory with CAs that all have the same name, and so the same hash."""
    wanted = {f"{name}.pem": file_facts.of_file(f"certificate of {name}".encode()) for name in aliases}
    wanted.update({f"{name}.signing_policy": file_facts.of_file(f"policy of {name}".encode()) for name in aliases})
    wanted.update({f"01234567.{number}": file_facts.of_link(f"{name}.pem") for number, name in enumerate(aliases)})
    return ManagedDirectory("trust anchors", str(path), trust_store.PATTERNS, wanted, ["."])


class TrustDirectory(exchange.Exchange):
    """Compare a trust directory and change what differs, as the action does. The result is one word."""

    def __init__(self, place: ManagedDirectory, purge: bool = True) -> None:
        self._place, self._purge = place, purge

    def request(self) -> Request:
        return Request([self._place.compare_set])

    def supply(self, outcomes: exchange.Outcomes) -> Request:
        update = trust_store.update(self._place, outcomes[0], self._purge)
        return Request([update.file_set], update.contents) if update.is_needed else Request([])

    def result(self, outcomes: exchange.Outcomes, send: exchange.Send) -> str:
        if not outcomes:
            return "unchanged"
        return str(outcomes[0]["error_code"]) if outcomes[0].get("failed") else "changed"


def supplies(*exchanges: TrustDirectory) -> list[Request]:
    """Compare for each exchange, and return what each wants to change."""
    return [one.supply(answer(one.request())) for one in exchanges]


def answer(request: Request) -> exchange.Outcomes:
    return send(request.sets, request.contents)


def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
    return inspectors.converge(sets, contents, False, False)


def state(place: ManagedDirectory) -> str:
    return manifest.digest(scan.scan(place.path, place.patterns))


def wanted_state(place: ManagedDirectory) -> str:
    return manifest.digest(place.wanted)


@pytest.fixture(name="trust")
def _trust(world: Any) -> tuple[ManagedDirectory, ManagedDirectory]:
    """Return two different targets for a directory, which has a third content at first."""
    path = world.roots / "certificates"
    assert exchange.run(TrustDirectory(layout(path, "old", "common")), send) == "changed"
    return layout(path, "common", "first"), layout(path, "second", "common", "third")


def test_one_trust_directory_between_look_and_change(trust: tuple[ManagedDirectory, ManagedDirectory]) -> None:
    """Let both compare, then both change. The second run finds that the directory has changed since."""
    exchanges = [TrustDirectory(place) for place in trust]
    requests = supplies(*exchanges)
    results = [one.result(answer(request), send) for one, request in zip(exchanges, requests)]
    assert results == ["changed", "changed_meanwhile"]
    assert state(trust[0]) == wanted_state(trust[0])
    assert exchange.run(TrustDirectory(trust[1]), send) == "changed"
    assert state(trust[1]) == wanted_state(trust[1])


def test_one_trust_directory_with_one_wish(trust: tuple[ManagedDirectory, ManagedDirectory]) -> None:
    """Let both compare, then both change, with the same target, as in a directory that many nodes share."""
    exchanges = [TrustDirectory(trust[0]), TrustDirectory(trust[0])]
    requests = supplies(*exchanges)
    assert [one.result(answer(request), send) for one, request in zip(exchanges, requests)] == ["changed"] * 2
    assert state(trust[0]) == wanted_state(trust[0])


def test_one_trust_directory_with_one_wish_at_the_same_moment(trust: tuple[ManagedDirectory, ManagedDirectory]) -> None:
    """Let both find something to do, and wait for the lock of a third process."""
    (request,) = supplies(TrustDirectory(trust[0]))
    with open(Path(trust[0].path, LOCK), "w") as lock:
        os.fchmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        engines = [Engine(request.sets, request.contents) for _number in range(2)]
        time.sleep(1.5)
    assert [one.result().kinds() for one in engines] == [{"trust anchors": "changed"}] * 2
    assert state(trust[0]) == wanted_state(trust[0])
    assert LOCK not in os.listdir(trust[0].path)


@pytest.mark.parametrize("purge", [False, True])
@pytest.mark.parametrize("name", [LOCK, ".grid-security-0123.tmp"])
def test_what_a_killed_run_left_is_cleared_although_all_else_is_right(
    trust: tuple[ManagedDirectory, ManagedDirectory], name: str, purge: bool
) -> None:
    exchange.run(TrustDirectory(trust[0]), send)
    Path(trust[0].path, name).touch()
    assert exchange.run(TrustDirectory(trust[0], purge), send) == "changed"
    assert exchange.run(TrustDirectory(trust[0], purge), send) == "unchanged"
    assert not Path(trust[0].path, name).exists()


@contextmanager
def turning(place: ManagedDirectory, counter: Counter) -> Iterator[None]:
    """Run another process of root that sets another target, again and again."""
    pid = os.fork()
    if pid == 0:
        while True:
            exchange.run(TrustDirectory(place), send)
            counter.add()
            time.sleep(random.random() * 0.05)
    try:
        yield
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_one_trust_directory_in_many_rounds(trust: tuple[ManagedDirectory, ManagedDirectory]) -> None:
    counter = Counter()
    kinds = set()
    with turning(trust[0], counter):
        while counter.value() < 10 * ROUNDS:
            kinds.add(exchange.run(TrustDirectory(trust[1]), send))
    assert kinds <= {"changed", "unchanged", "changed_meanwhile"}
    assert "changed" in kinds
    assert exchange.run(TrustDirectory(trust[1]), send) in ("changed", "unchanged")  # the other one was killed anywhere
    assert state(trust[1]) == wanted_state(trust[1])
    assert not [name for name in os.listdir(trust[1].path) if name.startswith(".")]
