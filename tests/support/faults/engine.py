# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engine as a process. For each request on stdin, a new child converges file sets, or is killed.

Requests and answers are lines of JSON. The child is forked from a process that has imported the engine and never seen
any contents. So it is like a new interpreter, without the time of the start.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import pwd
import resource
import selectors
import signal
import socket
import subprocess
import sys
import threading
import traceback
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import accounts
from ansible_collections.grid.security.tests.support.faults import gate


def serve() -> None:
    """Answer requests until the end of stdin."""
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line))), flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    result_end, result_start = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gate_keeper:
        gate_keeper.bind("")  # bind to an abstract name that the kernel chooses
        pid = os.fork()
        if pid == 0:
            os.close(result_end)
            _child(request, gate_keeper.getsockname()[1:].decode(), result_start)
        os.close(result_start)
        with contextlib.suppress(PermissionError):  # the process is faster, and is about to change to another user
            os.setpgid(pid, pid)
        killer = threading.Timer(request["kill_after"] or 0, os.killpg, (pid, signal.SIGKILL))
        if request["kill_after"] is not None:
            killer.start()
        said = _listen(request, pid, gate_keeper, result_end)
        killer.cancel()
    return {**json.loads(said or b"{}"), "status": os.waitpid(pid, 0)[1]}


def _child(request: dict[str, Any], address: str, result_start: int) -> None:
    try:
        os.setpgid(0, 0)
        os.environ[gate.ADDRESS] = address
        told = json.dumps(_converge(request)).encode()
        while told:  # with another system call, because the tests make the usual calls fail
            told = told[os.writev(result_start, [told]) :]
    finally:
        os._exit(0)


def _converge(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if request["gate"] == "work":
            inspectors.work = gate.work
        if request["memory"] is not None:
            resource.setrlimit(resource.RLIMIT_AS, (_size() + request["memory"],) * 2)
        if request["user"]:
            _become(request["user"])
        accounts.find_account = functools.partial(_at_home, accounts.find_account, request["home"])
        if request["gate"] == "engine":
            gate.pass_through()
        return {"outcomes": inspectors.converge(request["sets"], request["contents"], False, False)}
    except BaseException:  # the module would print this traceback
        return {"traceback": traceback.format_exc()}


def _size() -> int:
    with open("/proc/self/statm", encoding="utf-8") as stream:
        return int(stream.read().split()[0]) * resource.getpagesize()


def _at_home(find: Callable[[str | None], accounts.Account], home: str, name: str | None) -> accounts.Account:
    """Give users the home that the test names."""
    return dataclasses.replace(find(name), home=home)


def _become(user: str) -> None:
    entry = pwd.getpwnam(user)
    if os.geteuid() != entry.pw_uid:
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)


def _listen(request: dict[str, Any], module: int, gate_keeper: socket.socket, result_end: int) -> bytes:
    """Return the child's output. Start strace for each process that comes to the gate, and wait for its start."""
    said = b""
    tracers: list[subprocess.Popen[bytes]] = []
    with selectors.DefaultSelector() as selector:
        selector.register(gate_keeper, selectors.EVENT_READ)
        selector.register(result_end, selectors.EVENT_READ)
        while True:
            ready = [key.fd for key, _events in selector.select()]
            if gate_keeper.fileno() in ready:
                tracers.append(_open_gate(request, module, int(gate_keeper.recv(16))))
            elif part := os.read(result_end, 1 << 16):
                said += part
            else:
                break
    os.close(result_end)
    for tracer in tracers:
        tracer.wait()
    return said


def _open_gate(request: dict[str, Any], module: int, worker: int) -> subprocess.Popen[bytes]:
    victims = {"engine": module, "fork server": _parent(worker)}
    for victim in request["kill_at_gate"]:
        os.kill(victims[victim], signal.SIGKILL)
    return subprocess.Popen(["strace", "-p", str(worker), *request["strace"]], stderr=subprocess.DEVNULL)


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
        return int(stream.read().rpartition(")")[2].split()[1])


if __name__ == "__main__":
    serve()
