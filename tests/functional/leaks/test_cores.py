# SPDX-License-Identifier: GPL-3.0-or-later
"""Crash processes with secrets in memory during their work, on machines with core dumps."""

from __future__ import annotations

import dataclasses
import os
import pwd
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.functional.leaks import planted

_PATTERN = Path("/proc/sys/kernel/core_pattern")
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
_INTERPRETER = f'#!/bin/sh\nulimit -c unlimited\nexec {sys.executable} "$@"\n'
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can say where core dumps go")


@pytest.fixture(name="cores")
def _cores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the directory for core dumps of all processes, of any size."""
    before, limit = _PATTERN.read_text(encoding="ascii"), resource.getrlimit(resource.RLIMIT_CORE)
    directory = tmp_path_factory.mktemp("cores")
    resource.setrlimit(resource.RLIMIT_CORE, _UNLIMITED)
    _PATTERN.write_text(f"{directory}/%e.%p", encoding="ascii")
    try:
        yield directory
    finally:
        _PATTERN.write_text(before, encoding="ascii")
        resource.setrlimit(resource.RLIMIT_CORE, limit)


def holding(cores: Path, *names: str) -> list[str]:
    """Return the core dumps with a secret."""
    needles = planted.Needles(names)
    return [path.name for path in cores.iterdir() if needles.found_in(path.read_bytes())]


def test_the_search_would_find_one(cores: Path) -> None:
    word = planted.word("run-import")
    code = f"import os; secret = '{word[:9]}' + '{word[9:]}'; os.kill(os.getpid(), 11)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(holding(cores, "run-import")) == 1


HOST = {"src": "given/host.p12", "passphrase": "{{ run_hostimport }}", "encrypt_privatekey": False}
NODE = {"src": "{site}/given/node.p12", "passphrase": "{{ node_import }}", "privatekey_passphrase": "{{ node_store }}"}
# Options of a task, and the system call at which strace crashes a process.
MOMENTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "ansible's worker": (HOST, ["-P", "{site}/given/host.p12", "-e", "inject=close:signal=SEGV"]),
    "module as root": (HOST, ["-e", "inject=fsync:signal=SEGV"]),
    "worker as the owner": ({**HOST, "owner": "nobody"}, ["-e", "inject=fsync:signal=SEGV"]),
    "module that converts": ({**NODE, "remote_src": True}, ["-e", "inject=fsync:signal=SEGV"]),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_no_secret_is_in_a_core_dump(site: Any, cores: Path, moment: str) -> None:
    arguments, crash = MOMENTS[moment]
    os.chown(site.root / "home", pwd.getpwnam(arguments.get("owner", "root")).pw_uid, -1)
    interpreter = site.root / "given/python"
    interpreter.write_text(_INTERPRETER, encoding="ascii")
    interpreter.chmod(0o755)
    options = {**arguments, "src": arguments["src"].replace("{site}", str(site.root))}
    place = {"grid.security.pkcs12_pem": {**options, "directory": str(site.root / "home/crash")}}
    prefix = ["strace", "-f", "-qq", "-o", "/dev/null", *(one.replace("{site}", str(site.root)) for one in crash)]
    crashing = dataclasses.replace(site, prefix=prefix)
    play = {"vars_files": ["given/secrets.json"], "vars": {"ansible_python_interpreter": str(interpreter)}}
    password = str(site.root / "given/vault-password")
    done = crashing.run_play({**play, "tasks": [place]}, ANSIBLE_VAULT_PASSWORD_FILE=password)
    assert done.returncode != 0, done.stdout
    assert "killed before it finished" in done.stdout or "dead state" in done.stderr or "Segmentation" in done.stdout, (
        done.stdout
    )
    assert holding(cores, "host-key", "run-hostimport", "run-nodekey", "node-import", "node-store") == []
