# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-playbook on this machine, each run in its own directory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_MODULE = re.compile(r"PUT \S+ TO \S+AnsiballZ_(\w+)\.py")


def executed(output: str) -> list[str]:
    """Return the modules that a run executed on the node, by the files that Ansible sent there."""
    return _MODULE.findall(output)


@dataclass
class Site:
    """Hold a controller's directory, and the places of the traces of its runs.

    :param prefix: the words before the command of a run.
    """

    root: Path
    prefix: list[str] = field(default_factory=list)

    def play(self, tasks: list[dict[str, Any]], *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run tasks; see :meth:`run_play`."""
        return self.run_play({"tasks": tasks}, *options, **environment)

    def run_play(self, play: dict[str, Any], *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a play with the most output of Ansible. Both temporary directories are below the root."""
        play = play if "import_playbook" in play else {"hosts": "all", "gather_facts": False, **play}
        (self.root / "play.json").write_text(json.dumps([play]))
        settings = {
            "ANSIBLE_HOME": str(self.root / "ansible-home"),
            "ANSIBLE_LOCAL_TEMP": str(self.root / "controller-tmp"),
            "ANSIBLE_REMOTE_TMP": str(self.root / "node-tmp"),
            "ANSIBLE_LOG_PATH": str(self.root / "ansible.log"),
            "ANSIBLE_PIPELINING": "0",
            **environment,
        }
        host = f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n"
        (self.root / "hosts").write_text(host)
        command = [*self.prefix, "ansible-playbook", "-i", "hosts", "-vvvv", *options, "play.json"]
        return subprocess.run(
            command, cwd=self.root, env={**os.environ, **settings}, capture_output=True, text=True, check=False
        )


@pytest.fixture(name="executed")
def _executed() -> Callable[[str], list[str]]:
    return executed


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Site:
    return Site(tmp_path.resolve())
