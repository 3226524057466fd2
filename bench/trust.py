# SPDX-License-Identifier: GPL-3.0-or-later
"""A release of IGTF to a node over SSH, first and again, by what users would pick: trust.py DIRECTORY ROUNDS."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import harness
import ssh_node

from ansible_collections.grid.security.tests.support import igtf

RESULT = Path(__file__).parent / "results/trust.json"
SLOW = {"copy": 1}  # minutes per run


def peers(work: Path) -> dict[str, dict[str, Any]]:
    """A task for each way to the same directory; ``ours`` also makes the directory that the others start from."""
    target = f"{work}/node/certificates"
    return {
        "trust_anchors": {"grid.security.trust_anchors": {"sources": [f"{work}/igtf"], "path": target}},
        "unarchive": {"ansible.builtin.unarchive": {"src": f"{work}/rendered.tar.gz", "dest": target}},
        "synchronize": {
            "ansible.posix.synchronize": {"src": f"{work}/rendered/", "dest": target, "delete": True, "archive": True}
        },
        "copy": {"ansible.builtin.copy": {"src": f"{work}/rendered/", "dest": target, "mode": "0644"}},
    }


def playbook(work: Path, name: str, task: dict[str, Any]) -> list[str]:
    path = work / f"{name}.json"
    path.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    return ["ansible-playbook", "-i", str(work / "hosts"), str(path)]


def cases(work: Path) -> list[harness.Case]:
    target = work / "node/certificates"

    def clear() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)

    found = [harness.Case("ping", playbook(work, "ping", {"ansible.builtin.ping": {}}))]
    for name, task in peers(work).items():
        command, rounds = playbook(work, name, task), SLOW.get(name, 1000)
        found.append(harness.Case(f"{name}, first", command, clear, rounds))
        found.append(harness.Case(f"{name}, nothing to do", command, rounds=rounds))
    return found


def render(work: Path) -> None:
    """The directory as the module lays it out, as it stands and as an archive, for those who cannot make it."""
    subprocess.run(playbook(work, "render", peers(work)["trust_anchors"]), check=True)
    shutil.copytree(work / "node/certificates", work / "rendered", symlinks=True)
    subprocess.run(["tar", "-czf", work / "rendered.tar.gz", "-C", work / "rendered", "."], check=True)


def main(directory: str, rounds: str) -> None:
    work = Path(directory).resolve()
    shutil.rmtree(work, ignore_errors=True)
    (work / "release").mkdir(parents=True)
    shutil.copytree(igtf.release("bookworm", work / "release"), work / "igtf")
    with ssh_node.running(work / "ssh", sys.executable) as inventory:
        (work / "hosts").write_text(inventory)
        render(work)
        harness.save(harness.measure(cases(work), int(rounds), "ping", {}), RESULT)


if __name__ == "__main__":
    main(*sys.argv[1:])
