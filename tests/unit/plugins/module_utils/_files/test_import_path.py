# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that work for owners, where an import hook serves the code of the modules (as Mitogen does)."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import import_path
from ansible_collections.grid.security.tests.support import engine

# The hook serves the collection, which is not on sys.path; and the sources only if it is told to.
HOOKED = """
import importlib.abc, importlib.util, json, os, sys
root, gives, arguments = json.load(sys.stdin)

class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "ansible_collections":
            return importlib.util.spec_from_loader(name, self, is_package=not os.path.isfile(self._file(name)))

    def _file(self, name):
        return os.path.join(root, *name.split(".")) + ".py"

    def _text(self, name):
        path = self._file(name)
        return open(path, encoding="utf-8").read() if os.path.isfile(path) else ""

    def exec_module(self, module):
        exec(compile(self._text(module.__name__), module.__name__, "exec"), vars(module))

if gives:
    Hook.get_source = Hook._text
sys.meta_path.insert(0, Hook())
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
json.dump(inspectors.converge(**arguments), sys.stdout)
"""


def place(directory: Path, gives: bool) -> dict[str, Any]:
    """Place a credential of ``nobody``: the contents need a worker that does not descend from the engine."""
    texts = ("certificate", "key")
    sets = [engine.credential_set("one", "nobody", str(directory), texts)]
    arguments = {"sets": sets, "contents": engine.encoded(*texts), "check": False, "diff": False}
    root = str(Path(import_path.__file__).parents[6])
    # Isolated from PYTHONPATH, so that nothing but the hook finds the collection.
    command, told = [sys.executable, "-I", "-c", HOOKED], json.dumps([root, gives, arguments])
    done = subprocess.run(command, input=told, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)[0]
    return outcome


@pytest.fixture(name="home")
def _home() -> Iterator[Path]:
    """Make a home of ``nobody``. Other accounts cannot reach the temporary directories of pytest."""
    if os.geteuid() != 0:
        pytest.skip("only root can drop to another user")
    with tempfile.TemporaryDirectory(prefix="gridtest-", dir="/var/lib") as path:
        os.chown(path, pwd.getpwnam("nobody").pw_uid, -1)
        yield Path(path)


def test_a_worker_gets_the_code_that_an_import_hook_served(home: Path) -> None:
    outcome = place(home / ".globus", gives=True)
    assert outcome["changed"], outcome
    assert [path.read_text() for path in sorted((home / ".globus").iterdir())] == ["certificate", "key"]


def test_a_hook_that_hides_the_code_is_told_at_once(home: Path) -> None:
    outcome = place(home / ".globus", gives=False)
    assert outcome["error_code"] == "hidden_code"
    assert "Hook" in outcome["msg"]
    assert "strategy: linear" in outcome["msg"]
    assert list(home.iterdir()) == []


def test_code_in_files_is_found_where_it_is() -> None:
    with import_path.for_new_interpreter() as path:
        assert path is sys.path
