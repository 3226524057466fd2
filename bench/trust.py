# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of IGTF to the worker nodes, first and again, by what users would pick: trust.py DIRECTORY ROUNDS."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import harness

from ansible_collections.grid.security.tests.support import igtf

HERE = Path(__file__).resolve().parent
INVENTORY = HERE.parent / "molecule/inventory"
RESULT = HERE / "results/trust.json"
TARGET = "/etc/grid-security/certificates"
SLOW = {"copy": 1}  # minutes per run


def peers(work: Path) -> dict[str, dict[str, Any]]:
    """A task for each way to the same directory."""
    return {
        "trust_anchors": {"grid.security.trust_anchors": {"sources": [f"{work}/igtf"], "path": TARGET}},
        "unarchive": {"ansible.builtin.unarchive": {"src": f"{work}/rendered.tar.gz", "dest": TARGET}},
        "synchronize": {
            "ansible.posix.synchronize": {
                "src": f"{work}/rendered/",
                "dest": TARGET,
                "delete": True,
                "archive": True,
                "use_ssh_args": True,
            }
        },
        "copy": {"ansible.builtin.copy": {"src": f"{work}/rendered/", "dest": TARGET, "mode": "0644"}},
    }


def playbook(work: Path, name: str, task: dict[str, Any], hosts: str = "workers") -> list[str]:
    """The command that runs one task on hosts of the cluster, as root."""
    path = work / f"{name}.json"
    path.write_text(json.dumps([{"hosts": hosts, "become": True, "gather_facts": False, "tasks": [task]}]))
    return ["ansible-playbook", "-i", str(INVENTORY), str(path)]


def cases(work: Path) -> list[harness.Case]:
    clear = playbook(work, "clear", {"ansible.builtin.raw": f"rm -rf {TARGET} && mkdir -p {TARGET}"})
    found = [harness.Case("ping", playbook(work, "ping", {"ansible.builtin.ping": {}}))]
    for name, task in peers(work).items():
        command, rounds = playbook(work, name, task), SLOW.get(name, harness.ALWAYS)
        found.append(harness.Case(f"{name}, first", command, clear, rounds))
        found.append(harness.Case(f"{name}, nothing to do", command, rounds=rounds))
    return found


def render(work: Path) -> None:
    """The directory as the module lays it out, as it stands and as an archive, for those who cannot make it."""
    task = {"grid.security.trust_anchors": {"sources": [f"{work}/igtf"], "path": f"{work}/rendered"}}
    subprocess.run([*playbook(work, "render", task, "localhost"), "-e", "ansible_become=false"], check=True)
    subprocess.run(["tar", "-czf", work / "rendered.tar.gz", "-C", work / "rendered", "."], check=True)


def main(directory: str, rounds: str) -> None:
    work = Path(directory).resolve()
    shutil.rmtree(work, ignore_errors=True)
    (work / "release").mkdir(parents=True)
    shutil.copytree(igtf.release("bookworm", work / "release"), work / "igtf")
    render(work)
    harness.save(harness.measure(cases(work), int(rounds), "ping"), RESULT)


if __name__ == "__main__":
    main(*sys.argv[1:])
