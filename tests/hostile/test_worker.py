# SPDX-License-Identifier: GPL-3.0-or-later
"""Attack the worker process, which runs with the user's rights."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import random
import resource
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._trust import shadows
from ansible_collections.grid.security.tests.support import accounts, fuse, prying
from ansible_collections.grid.security.tests.support.counter import Counter
from ansible_collections.grid.security.tests.support.engine import Engine, credential_set, encoded

LIMIT = 1.5
SLACK = 10.0  # seconds for a busy machine
TEXTS = ("certificate of mallory", "key of mallory")
BYSTANDERS = ("certificate of alice 4711", "key of alice 0815")
ALL = encoded(*TEXTS, *BYSTANDERS)
MARKS = [text.encode() for text in BYSTANDERS] + [text.encode() for text in encoded(*BYSTANDERS).values()]
OWN = [text.encode() for text in encoded(*TEXTS).values()]


def sets(world: Any, count: int = 1) -> list[dict[str, Any]]:
    """Return ``count`` sets for mallory, and then one for alice."""
    attacked = [
        credential_set(f"attacked {number}", world.mallory.pw_name, "~/.globus", TEXTS) for number in range(count)
    ]
    return [*attacked, credential_set("bystander", world.alice.pw_name, "~/.globus", BYSTANDERS)]


def make_globus(world: Any) -> Path:
    """Make an empty ``.globus`` of mallory."""
    path: Path = world.home(world.mallory) / ".globus"
    path.mkdir(mode=0o700)
    world.own(world.mallory, path)
    return path


def directory(uid: int, **children: int) -> fuse.Node:
    return fuse.Node(
        stat.S_IFDIR | 0o700, uid, children={name.replace("_", ".").encode(): n for name, n in children.items()}
    )


# --- looking into it --------------------------------------------------------------------------------------------------


@pytest.fixture(name="stopped", params=["compare", "place"])
def _stopped(world: Any, request: pytest.FixtureRequest) -> Iterator[tuple[Engine, int]]:
    """Start an engine whose worker for mallory is stopped by a hanging file system and a signal."""
    served = fuse.Served({1: directory(world.mallory.pw_uid)}, {fuse.LOOKUP: fuse.HANG})
    with fuse.mounted(make_globus(world), world.mallory, served):
        known = tuple(accounts.processes_of(world.mallory.pw_uid))
        engine = Engine(sets(world), ALL if request.param == "place" else {}, limit=LIMIT)
        pid = prying.wait_for_worker(world.mallory.pw_uid, known=known)
        time.sleep(0.2)  # until it hangs
        os.kill(pid, signal.SIGSTOP)
        try:
            yield engine, pid
        finally:
            engine.process.kill()


def test_a_user_cannot_pry_into_their_worker(stopped: tuple[Engine, int], world: Any, tmp_path: Path) -> None:
    engine, pid = stopped
    assert report(world, tmp_path, pid) == f"{prying.ATTEMPTS} tried: "
    assert engine.result().kinds() == {"attacked 0": "timeout", "bystander": "changed"}


def test_prying_works_where_nothing_forbids_it(world: Any, tmp_path: Path) -> None:
    with accounts.acting_as(world.mallory, _sleep_unprotected) as pid:
        time.sleep(0.2)
        worked = report(world, tmp_path, pid)
    wanted = {"reading mem", "reading environ", "writing mem", "listing fd", "process_vm_readv", "attaching", "seizing"}
    assert {
        one for one in wanted | {"taking a descriptor", "following fd/1", "comparing"} if one not in worked
    } == set()


def report(world: Any, tmp_path: Path, pid: int) -> str:
    """Return the attacks of mallory on a process that succeed."""
    path = tmp_path / "report"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    with accounts.acting_as(world.mallory, _pry, pid, descriptor) as prying_pid:
        os.waitid(os.P_PID, prying_pid, os.WEXITED | os.WNOWAIT)
    os.close(descriptor)
    return path.read_text()


def _pry(pid: int, descriptor: int) -> None:
    os.write(descriptor, f"{prying.ATTEMPTS} tried: {', '.join(prying.pry(pid))}".encode())


def _sleep_unprotected() -> None:
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE
    time.sleep(60)


def test_worker_and_fork_server_hold_nobody_else_s_bytes(
    stopped: tuple[Engine, int], request: pytest.FixtureRequest
) -> None:
    engine, worker = stopped
    fork_server = int(Path(f"/proc/{worker}/stat").read_text().split()[3])
    placing = request.node.callspec.params["stopped"] == "place"
    assert prying.memory_holds(worker, MARKS + OWN) == (OWN if placing else [])
    assert prying.memory_holds(fork_server, MARKS + OWN) == []
    assert (prying.memory_holds(engine.process.pid, MARKS) != []) is placing  # the search finds what there is


def test_groups_of_the_engine_are_given_up(world: Any) -> None:
    """Check that a worker loses root's groups, which may give access to other directories."""
    place = world.homes / "of a group"
    place.mkdir()
    os.chown(place, 0, world.bob.pw_gid)
    place.chmod(0o770)
    one = credential_set("attacked", world.mallory.pw_name, str(place), TEXTS)
    groups = ("setpriv", "--groups", f"0,{world.bob.pw_gid}")
    for contents in ({}, ALL):
        assert Engine([one], contents, prefix=groups).result().kinds() == {"attacked": "no_access"}


# --- looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_a_look_for_anchors_that_fails_is_told_and_others_go_on(world: Any) -> None:
    """Look for ~/.globus/certificates in a home that hangs, a home without access, and a usual home."""
    closed = world.home(world.bob) / ".globus"
    os.chown(closed, world.alice.pw_uid, -1)
    closed.chmod(0o700)
    names = [account.pw_name for account in (world.mallory, world.bob, world.alice)]
    served = fuse.Served({1: directory(world.mallory.pw_uid)}, {fuse.LOOKUP: fuse.HANG})
    with fuse.mounted(make_globus(world), world.mallory, served):
        run = Engine(shadows.compare_sets(names), limit=LIMIT).result()
    assert list(run.kinds().values()) == ["timeout", "os_error", "unchanged"]
    assert run.seconds < LIMIT + SLACK
    (line,) = shadows.warnings([{"name": name, **run.outcomes[name]} for name in names], "/etc/certificates")
    assert f"is not known for: {names[0]}, {names[1]}. The look-up for {names[0]} failed: " in line


# --- signals ----------------------------------------------------------------------------------------------------------


STORMS: dict[str, tuple[list[signal.Signals], float]] = {
    "kill": ([signal.SIGKILL], 0.0),
    "now and then kill": ([signal.SIGKILL], 0.005),
    "stop": ([signal.SIGSTOP], 0.0),
    "stop and go on": ([signal.SIGSTOP, signal.SIGCONT], 0.001),
    "whatever": ([s for s in signal.valid_signals() if s not in (signal.SIGSTOP, signal.SIGTSTP)], 0.001),  # type: ignore[misc]
}


@pytest.mark.parametrize("name", STORMS)
def test_signals(world: Any, name: str) -> None:
    count, limit = (4, 0.5) if name == "stop" else (30, 5.0)
    counter = Counter()
    with accounts.acting_as(world.mallory, _send_signals, *STORMS[name], counter):
        run = Engine(sets(world, count), ALL, limit=limit).result()
    assert run.kinds().pop("bystander") == "changed"
    assert set(run.kinds().values()) <= {"changed", "unchanged", "killed", "timeout"}
    assert run.seconds < count * limit + SLACK
    assert counter.value() > 3
    assert (
        accounts.processes_of(world.mallory.pw_uid) == []
    )  # no process continues after the run has reported its failure
    calm = Engine(sets(world), ALL).result()
    assert set(calm.kinds().values()) <= {"changed", "unchanged"}
    names = os.listdir(world.home(world.mallory) / ".globus")
    assert sorted(names) == ["usercert.pem", "userkey.pem"]
    assert not [name for name in os.listdir("/") if name.startswith("core")]


def _send_signals(choice: list[signal.Signals], pause: float, counter: Counter) -> None:
    while True:
        try:
            os.kill(-1, random.choice(choice))  # all processes that mallory may signal, except her own
            counter.add()
        except ProcessLookupError:
            pass
        if pause:
            time.sleep(random.random() * pause)


# --- limits -----------------------------------------------------------------------------------------------------------


_MOST_RUNS = 20  # the time in which mallory has to find a process
LIMITS: dict[str, tuple[int, int]] = {
    "file size": (resource.RLIMIT_FSIZE, 0),
    "descriptors": (resource.RLIMIT_NOFILE, 3),
    "memory": (resource.RLIMIT_AS, 4096),
    "processor": (resource.RLIMIT_CPU, 0),
    "locks": (resource.RLIMIT_MEMLOCK, 0),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_that_a_user_sets(world: Any, name: str) -> None:
    old = Engine(sets(world), encoded(*TEXTS, *BYSTANDERS)).result()
    assert set(old.kinds().values()) == {"changed"}
    counter, seen = Counter(), [TEXTS]
    with accounts.acting_as(world.mallory, _set_limits, *LIMITS[name], counter):
        for number in range(_MOST_RUNS):
            seen.append((f"certificate {number} of mallory", f"key {number} of mallory"))
            _run_beside(world, *seen[-1])
            if counter.value():  # a run may be over before mallory finds one of its processes
                break
    texts = [(world.home(world.mallory) / ".globus" / path).read_text() for path in ("usercert.pem", "userkey.pem")]
    assert texts[0] in [certificate for certificate, _key in seen]
    assert texts[1] in [key for _certificate, key in seen]
    assert counter.value() > 0


def _run_beside(world: Any, *new: str) -> None:
    """Replace mallory's credential in many sets, and a bystander's, which must not be affected."""
    attacked = [credential_set(f"attacked {n}", world.mallory.pw_name, "~/.globus", new) for n in range(20)]
    bystander = credential_set("bystander", world.alice.pw_name, "~/.globus", new)
    run = Engine([*attacked, bystander], encoded(*new)).result()
    assert run.kinds().pop("bystander") == "changed"
    assert set(run.kinds().values()) <= {"changed", "unchanged", "killed", "os_error", "no_memory", "internal"}


def _set_limits(which: int, value: int, counter: Counter) -> None:
    own = os.getpid()
    pid = own
    while True:  # ids grow, so the next process has one of the next numbers
        pid = pid + 1 if pid < own + 3000 else own
        try:
            resource.prlimit(pid, which, (value, value))
            counter.add()
        except (OSError, ValueError):
            pass


# --- file systems that hang -------------------------------------------------------------------------------------------


def _served(uid: int, kind: str) -> fuse.Served:
    nodes = {1: directory(uid, usercert_pem=2), 2: fuse.Node(stat.S_IFREG | 0o600, uid, 1000)}
    operation = {
        "from the start": fuse.INIT,
        "on looking": fuse.LOOKUP,
        "on opening the directory": fuse.OPENDIR,
        "on listing": fuse.READDIR,
        "on opening a file": fuse.OPEN,
        "on reading": fuse.READ,
        "on creating": fuse.CREATE,
    }.get(kind)
    return fuse.Served(nodes, {} if operation is None else {operation: fuse.HANG}, _ENDLESS.get(kind))


_HANGING = ("from the start", "on looking", "on opening the directory", "on listing", "on opening a file", "on reading")
_HANGING += ("on creating",)
_ENDLESS = {"without end": b"entry-%d", "with leftovers without end": b".grid-security-%016d.tmp"}


@pytest.mark.parametrize("kind", _HANGING)
@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_file_systems_that_hang(world: Any, kind: str) -> None:
    with fuse.mounted(make_globus(world), world.mallory, _served(world.mallory.pw_uid, kind)):
        run = Engine(sets(world), ALL, limit=LIMIT).result()
    assert run.kinds() == {"attacked 0": "timeout", "bystander": "changed"}, run.outcomes["attacked 0"]
    assert run.seconds < LIMIT + SLACK


@pytest.mark.parametrize("comparing", [False, True], ids=["place", "compare"])
@pytest.mark.parametrize("kind", _ENDLESS)
@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_directories_without_end_fill_no_memory(world: Any, kind: str, comparing: bool) -> None:
    attacked, bystander = sets(world)
    if comparing:
        attacked.update(entries=[], manifest={"patterns": ["certificates"], "sha256": "none"})
    with fuse.mounted(make_globus(world), world.mallory, _served(world.mallory.pw_uid, kind)):
        known = tuple(accounts.processes_of(world.mallory.pw_uid))
        engine = Engine([attacked, bystander], ALL, limit=2 * LIMIT)
        pid = prying.wait_for_worker(world.mallory.pw_uid, known=known)
        sizes = list(_sizes(pid))
        run = engine.result()
    assert run.kinds()["bystander"] == "changed"
    assert run.kinds()["attacked 0"] in ("timeout", "too_many_files")
    assert max(sizes) - sizes[0] < 16 << 20, f"the worker grew from {sizes[0]} to {max(sizes)}"


def _sizes(pid: int) -> Iterator[int]:
    """Yield the resident memory of a process in bytes, as long as it runs."""
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            if pages == 0:
                return
            yield pages * os.sysconf("SC_PAGE_SIZE")
            time.sleep(0.05)
    except OSError:
        return


# --- no space ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.EDQUOT, errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_quota(world: Any, code: int) -> None:
    served = fuse.Served({1: directory(world.mallory.pw_uid)}, {fuse.CREATE: code})
    with fuse.mounted(make_globus(world), world.mallory, served):
        run = Engine(sets(world), ALL, limit=LIMIT).result()
    assert run.kinds() == {"attacked 0": "os_error", "bystander": "changed"}
    assert os.strerror(code) in run.outcomes["attacked 0"]["msg"]


@pytest.mark.parametrize("options", ["size=64k", "nr_inodes=4"])
def test_full_file_system(world: Any, options: str) -> None:
    place = make_globus(world)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"{options},mode=0700", "tmpfs", str(place)], check=True)
    try:
        world.own(world.mallory, place)
        assert Engine(sets(world), ALL).result().kinds()["attacked 0"] == "changed"
        with accounts.acting_as(world.mallory, _fill, place) as pid:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        new = tuple(text * 100 for text in ("new certificate", "new key"))
        attacked = credential_set("attacked", world.mallory.pw_name, "~/.globus", new)
        bystander = credential_set("bystander", world.alice.pw_name, "~/.globus", new)
        run = Engine([attacked, bystander], encoded(*new)).result()
        assert run.kinds() == {"attacked": "os_error", "bystander": "changed"}
        assert "space" in run.outcomes["attacked"]["msg"]
        assert [(place / name).read_text() for name in ("usercert.pem", "userkey.pem")] == list(TEXTS)
        assert sorted(path.name for path in place.iterdir() if "grid" in path.name) == []
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(place: Path) -> None:
    number = 0
    while True:
        number += 1
        (place / f"filling{number}").write_bytes(b"x" * 4096)


# --- locks ------------------------------------------------------------------------------------------------------------


def hold(act: Callable[..., Any], *arguments: Any) -> Any:
    """Run an action and keep its effect until killed."""
    kept = act(*arguments)
    time.sleep(300)
    return kept


def _lease(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    return descriptor


def test_lease_on_a_file(world: Any) -> None:
    """Take a lease on a file. To open it then waits for the holder, up to 45 seconds, unless it is non-blocking."""
    path = make_globus(world) / "usercert.pem"
    path.write_text("mine")
    world.own(world.mallory, path)
    with accounts.acting_as(world.mallory, hold, _lease, path):
        time.sleep(0.2)
        run = Engine(sets(world), ALL, limit=LIMIT).result()
    assert run.kinds() == {"attacked 0": "changed", "bystander": "changed"}
    assert run.seconds < SLACK


def test_locks_of_the_user(world: Any) -> None:
    path = make_globus(world)
    with ExitStack() as stack:
        stack.enter_context(accounts.acting_as(world.mallory, hold, _lock_all, path))
        time.sleep(0.2)
        run = Engine(sets(world), ALL, limit=LIMIT).result()
    assert run.kinds()["bystander"] == "changed"
    assert run.kinds()["attacked 0"] in ("changed", "timeout")
    assert run.seconds < LIMIT + SLACK


def _lock_all(path: Path) -> list[int]:
    kept = [os.open(path, os.O_RDONLY)]
    fcntl.flock(kept[0], fcntl.LOCK_EX)
    return kept
