# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeat the attacks in runs of ansible-playbook with pkcs12_pem."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.hostile.cases import CASES, Home
from ansible_collections.grid.security.tests.support import accounts, fuse, peak, pki, prying, snapshot, syscalls

CHOSEN = {
    "nothing there": None,
    "directory is a link to root's files": "not_a_directory",
    "directory is a link to another user's": "not_a_directory",
    "directory is a FIFO": "not_a_directory",
    "directory without any mode": "no_access",
    "home of another user": "os_error",
    "userkey.pem is a link to another user's": None,
    "userkey.pem is a FIFO": None,
    "usercert.pem is a device": None,
    "key is a hard link to root's secret": None,
    "key is a directory with a file in it": "is_directory",
    "anchors that are a link to what is no text": None,
    "usercert.pem is a link to what is no text": None,
    "names that are no text": None,
    "two dozen names of an enormous CRL": None,
}
PYTHON = "/usr/bin/python3"  # readable for everybody, because workers import from there, too
WORDS = {name: (f"import of {name} 4711", f"storing for {name} 0815") for name in ("mallory", "alice")}


@dataclass
class Controller:
    """Hold a directory with archives, and a node that is this machine."""

    root: Path

    def play(self, credentials: list[dict[str, Any]], traces: Path | None = None) -> subprocess.Popen[str]:
        """Start a run that writes its results to a file. :param traces: the directory for traces of system calls."""
        placed = {"grid.security.pkcs12_pem": {"credentials": credentials}, "register": "result", "ignore_errors": True}
        return self.start([placed, self.kept("result.credentials")], self._traced(traces) if traces else None)

    def kept(self, expression: str) -> dict[str, Any]:
        """Return a task that writes the file for :meth:`results`."""
        content = f"{{{{ {expression} }}}}"
        return {"ansible.builtin.copy": {"content": content, "dest": str(self.root / "result.json")}}

    def start(
        self, tasks: list[dict[str, Any]], interpreter: Path | None = None, prefix: tuple[str, ...] = ()
    ) -> subprocess.Popen[str]:
        """Start a run. :param interpreter: of the node's modules. :param prefix: a command that runs ansible."""
        (self.root / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        host = f"node ansible_connection=local ansible_python_interpreter={interpreter or sys.executable}\n"
        (self.root / "hosts").write_text(host)
        temporary = {f"ANSIBLE_{side}_TEMP": str(self.root / side) for side in ("LOCAL", "REMOTE")}
        temporary["ANSIBLE_HOME"] = str(self.root / "ansible")
        return subprocess.Popen(
            [*prefix, "ansible-playbook", "-i", "hosts", "play.json"],
            cwd=self.root,
            env={**os.environ, **temporary, "ANSIBLE_PIPELINING": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _traced(self, traces: Path) -> Path:
        """Write an interpreter for the node's modules that traces their calls."""
        path = self.root / "python"
        command = " ".join(syscalls.command(traces / "trace.$$"))
        path.write_text(f'#!/bin/sh\nexec {command} "{sys.executable}" "$@"\n')
        path.chmod(0o755)
        return path

    def results(self, run: subprocess.Popen[str]) -> Any:
        """Return the credentials that failed, or all if none failed; or another value that was kept."""
        output, _errors = run.communicate(timeout=120)
        assert run.returncode == 0, output
        return json.loads((self.root / "result.json").read_text())

    def archive(self, name: str) -> str:
        path = self.root / f"{name}.p12"
        path.write_bytes(pki.issue(name).archive(WORDS[name][0]))
        return str(path)


@pytest.fixture(name="controller")
def _controller(tmp_path: Path) -> Controller:
    return Controller(tmp_path.resolve())


def credential(account: Any, **fields: Any) -> dict[str, Any]:
    name = account.pw_name.split("-")[1]
    words = {"passphrase": WORDS[name][0], "privatekey_passphrase": WORDS[name][1]}
    return {"owner": account.pw_name, **words, **fields}


def test_hostile_homes(
    world: Any, controller: Controller, tmp_path: Path, record_property: Callable[[str, int], None]
) -> None:
    items = []
    archive = controller.archive("mallory")
    for number, name in enumerate(CHOSEN):
        home = Home(world.home(world.mallory) / f"case{number}", world.mallory, world.bob, world.roots)
        home.directory("")
        CASES[name].prepare(home)
        items.append(credential(world.mallory, src=archive, directory=f"~/case{number}/.globus"))
    items.append(credential(world.alice, src=controller.archive("alice")))
    before = snapshot.take(world.home(world.bob), world.roots)
    traces = tmp_path / "traces"
    traces.mkdir()
    results = controller.results(controller.play(items, traces))
    failed = {number: kind for number, kind in enumerate(CHOSEN.values()) if kind}
    assert [result["error_code"] for result in results] == list(failed.values())
    for number in set(range(len(CHOSEN))) - set(failed):
        assert (world.home(world.mallory) / f"case{number}/.globus/userkey.pem").read_bytes(), number
    assert (world.home(world.alice) / ".globus/userkey.pem").exists()
    unlinked = ("nlink", "ctime_ns")  # the secret with a hard link
    assert snapshot.differences(before, snapshot.take(world.home(world.bob), world.roots), unlinked) == []
    calls = [call for trace in traces.iterdir() for call in syscalls.read(trace)]
    below = [call for call in calls if call.touches(world.homes)]
    assert {call.uid for call in below} == {world.mallory.pw_uid, world.alice.pw_uid}
    record_property("system calls traced", len(calls))


SHADOWS = ("anchors that are a link to what is no text", "two dozen names of an enormous CRL")


@pytest.fixture(scope="module", name="idle")
def _idle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    return peaks(Controller(tmp_path_factory.mktemp("idle").resolve()), [{"ansible.builtin.ping": {}}])


@pytest.mark.parametrize("name", SHADOWS)
def test_one_user_s_odd_files_cost_only_that_user(
    world: Any, controller: Controller, name: str, idle: dict[str, int], record_property: Callable[[str, int], None]
) -> None:
    """Check that everything is placed, and that no process is much larger than the processes of a ping."""
    CASES[name].prepare(Home(world.home(world.mallory), world.mallory, world.bob, world.roots))
    (controller.root / "ca.pem").write_bytes(pki.issue("CA", authority=True).pem)
    names = [account.pw_name for account in (world.mallory, world.alice)]
    path = str(world.root / "roots/certificates")
    anchors = {"sources": [str(controller.root / "ca.pem")], "path": path, "accounts": names}
    items = [credential(one, src=controller.archive(one.pw_name.split("-")[1])) for one in (world.mallory, world.alice)]
    tasks = [
        {"grid.security.trust_anchors": anchors, "register": "anchored"},
        {"grid.security.pkcs12_pem": {"credentials": items}, "register": "placed"},
    ]
    busy = peaks(controller, [*tasks, controller.kept("[anchored, placed]")])
    anchored, placed = json.loads((controller.root / "result.json").read_text())
    (line,) = [one for one in anchored["warnings"] if ".globus" in one]
    assert line.startswith(f"~/.globus/certificates shadows {path} for: {names[0]}. ")
    assert anchored["changed"]
    assert [one["changed"] for one in placed["credentials"]] == [True, True]
    for side, kibibytes in busy.items():
        record_property(f"percent of the largest process of a ping ({side}, {name})", 100 * kibibytes // idle[side])
        assert kibibytes < 1.5 * idle[side]


def peaks(controller: Controller, tasks: list[dict[str, Any]]) -> dict[str, int]:
    """Return the KiB of the largest process of controller and node."""
    notes = {side: controller.root / f"{side}.peaks" for side in ("controller", "node")}
    for one in notes.values():
        one.unlink(missing_ok=True)
    node = peak.interpreter(controller.root / "noting", notes["node"], PYTHON)
    run = controller.start(tasks, node, peak.command(notes["controller"]))
    output, _errors = run.communicate(timeout=120)
    assert run.returncode == 0, output
    return {side: peak.largest(one) for side, one in notes.items()}


def test_archives_in_hostile_homes(world: Any, controller: Controller, tmp_path: Path) -> None:
    """Check that an archive in a user's home is read with the user's rights."""
    mine, hers = world.home(world.mallory), world.home(world.alice)
    (hers / "alice.p12").write_bytes(Path(controller.archive("alice")).read_bytes())
    world.own(world.alice, hers / "alice.p12")
    (hers / "alice.p12").chmod(0o600)
    (mine / "link.p12").symlink_to(hers / "alice.p12")
    (mine / "outside.p12").symlink_to(world.roots / "secret")
    os.mkfifo(mine / "fifo.p12")
    (mine / "directory").symlink_to(hers)
    world.own(world.mallory, *mine.iterdir())
    names = ("link.p12", "outside.p12", "fifo.p12", "directory/alice.p12", "none.p12")
    items = [
        credential(world.mallory, src=f"{mine}/{name}", remote_src=True, passphrase=WORDS["alice"][0]) for name in names
    ]
    for number, item in enumerate(items):
        item["directory"] = f"~/globus{number}"
    items.append(credential(world.alice, src=f"{hers}/alice.p12", remote_src=True))
    traces = tmp_path / "traces"
    traces.mkdir()
    results = controller.results(controller.play(items, traces))
    calls = [call for trace in traces.iterdir() for call in syscalls.read(trace)]
    assert [call for call in calls if call.uid == 0 and (call.touches(mine) or call.touches(hers))] == []
    assert [result["error_code"] for result in results] == [*["no_source"] * 3, "not_a_directory", "no_source"]
    assert not [path for path in mine.iterdir() if path.name.startswith("globus")]
    assert (hers / ".globus/userkey.pem").stat().st_uid == world.alice.pw_uid


@contextmanager
def hanging(place: Path, world: Any) -> Iterator[None]:
    directory = fuse.Node(stat.S_IFDIR | 0o700, world.mallory.pw_uid)
    with fuse.mounted(place, world.mallory, fuse.Served({1: directory}, {fuse.LOOKUP: fuse.HANG})):
        yield


@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
@pytest.mark.parametrize("where", ["archive", "target"])
def test_workers_of_a_conversion_hold_nobody_else_s_secrets(world: Any, controller: Controller, where: str) -> None:
    """Check the process that converts archives on the node: it holds the passphrases and keys of all users."""
    mine, hers = world.home(world.mallory), world.home(world.alice)
    place = mine / ("archives" if where == "archive" else ".globus")
    place.mkdir()
    for path, name in ((mine / "mallory.p12", "mallory"), (hers / "alice.p12", "alice")):
        path.write_bytes(Path(controller.archive(name)).read_bytes())
    world.own(world.mallory, place, mine / "mallory.p12")
    world.own(world.alice, hers / "alice.p12")
    src = f"{mine}/archives/mallory.p12" if where == "archive" else f"{mine}/mallory.p12"
    items = [credential(world.alice, src=f"{hers}/alice.p12", remote_src=True)]
    items.append(credential(world.mallory, src=src, remote_src=True))
    with hanging(place, world):
        known = tuple(accounts.processes_of(world.mallory.pw_uid))
        run = controller.play(items)
        worker = until_it_hangs(world, known)
        fork_server = parent(worker)
        words = [word.encode() for word in WORDS["alice"]]
        held = {pid: prying.memory_holds(pid, words) for pid in (worker, fork_server, parent(fork_server))}
    results = controller.results(run)
    assert held == {worker: [], fork_server: [], parent_of(held): words}
    assert (hers / ".globus/userkey.pem").exists()
    assert [result["error_code"] in ("os_error", "no_access") for result in results] == [True]


def parent_of(held: dict[int, list[bytes]]) -> int:
    """Return the process id of the engine, which starts last."""
    return list(held)[-1]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().split()[3])


def until_it_hangs(world: Any, known: tuple[int, ...]) -> int:
    """Return the process id of the worker that waits for the file system. Short-lived workers are ignored."""
    while True:
        pid = prying.wait_for_worker(world.mallory.pw_uid, 60, known)
        time.sleep(0.3)
        if pid in accounts.processes_of(world.mallory.pw_uid):
            return pid
