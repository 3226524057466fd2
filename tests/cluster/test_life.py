# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the cluster program: a second call changes nothing, and nothing stays behind, also after a kill."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
NODES = ["wn1", "wn2", "wn3", "se"]


class Clone:
    """Hold a copy of the program's files with its own ``build``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inventory = root / "molecule/inventory/hosts.yml"
        shutil.copytree(ROOT / "tests/support", root / "tests/support")
        self.inventory.parent.mkdir(parents=True)
        shutil.copy(ROOT / "molecule/inventory/hosts.yml", self.inventory)

    def start(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "cluster", *words]
        directory = self.root / "tests/support"
        return subprocess.Popen(
            command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *words: str, succeeds: bool = True) -> str:
        process = self.start(*words)
        said = process.communicate()[0]
        assert (process.returncode == 0) is succeeds, said
        return said

    def ssh(self, node: str, command: str) -> str:
        words = ["ssh", "-F", str(self.root / "build/cluster/ssh_config"), node, command]
        return subprocess.check_output(words, text=True).strip()


def traces(clone: Clone) -> set[str]:
    """Return everything that a cluster could leave on this machine, where others work at the same time."""
    links = [one["ifname"] for one in json.loads(subprocess.check_output(["ip", "-json", "link"]))]
    groups = [path for pattern in ("grid-*/**", "*/grid-*/**") for path in Path("/sys/fs/cgroup").glob(pattern)]
    files = [path for pattern in ("grid-*", "systemd/**/gs-*") for path in Path("/run").glob(pattern)]
    files += [*(clone.root / "build").glob("*"), *(clone.root / "build/images").glob("*.partial")]
    places = [" /run ", "overlay", str(clone.root.parent), str(ROOT / "build")]
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if any(one in line for one in places)]
    return {
        *(name for name in links if "gs-" in name or "host0" in name),
        *(str(path) for path in [*groups, *files]),
        *mounts,
        *_processes(clone),
    }


def _processes(clone: Clone) -> Iterator[str]:
    """Return processes in a node or an image, and processes with such a name in their arguments."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_text().replace("\0", " ")
            places = [os.readlink(process / name) for name in ("cwd", "root", "exe")]
            groups = (process / "cgroup").read_text()
        except OSError:  # the process has ended, or its parent is about to reap it
            continue
        if any(str(clone.root) in word for word in [words, *places]) or "gs-" in words or "grid-" in groups:
            yield words


@pytest.fixture(name="clone")
def _clone(tmp_path: Path) -> Iterator[Clone]:
    """Make a clone that uses the images of this clone."""
    clone = Clone(tmp_path / "a clone")
    images = ROOT / "build/images"
    images.mkdir(parents=True, exist_ok=True)
    (clone.root / "build").mkdir()
    (clone.root / "build/images").symlink_to(images)
    yield clone
    clone.run("destroy")


def test_from_nothing_to_nothing(clone: Clone) -> None:
    before = traces(clone)
    assert "nothing to destroy" in clone.run("destroy")
    created = clone.run("create")
    assert [node for node in NODES if f"{node}: booted" not in created] == []
    assert "nothing changed" in clone.run("create")
    for node in NODES:
        assert clone.ssh(node, "hostname --fqdn; sudo id --user") == f"{node}.grid.test\n0"
    assert traces(clone) != before
    assert "link gs-cluster: removed" in clone.run("destroy")
    assert traces(clone) == before
    assert "nothing to destroy" in clone.run("destroy")


@pytest.mark.parametrize("seconds", [0.3, 0.7, 1.1, 1.6])
def test_killed_while_nodes_boot(clone: Clone, seconds: float) -> None:
    before = traces(clone)
    _kill_after(clone, seconds)
    clone.run("destroy")
    assert traces(clone) == before
    _kill_after(clone, seconds)
    clone.run("create")
    clone.run("destroy")
    assert traces(clone) == before


@pytest.mark.parametrize("seconds", [1, 12])
def test_killed_while_images_are_built(tmp_path: Path, seconds: float) -> None:
    clone = Clone(tmp_path / "a clone")
    (clone.root / "build").mkdir()
    before = traces(clone)
    _kill_after(clone, seconds)
    assert "image" not in clone.run("status")
    assert ".partial: removed" in clone.run("destroy")
    assert traces(clone) == before | {str(clone.root / "build/images")}
    assert list((clone.root / "build/images").iterdir()) == []


def _kill_after(clone: Clone, seconds: float) -> None:
    process = clone.start("create")
    time.sleep(seconds)
    process.kill()
    process.wait()


def test_single_nodes_come_and_go(clone: Clone) -> None:
    clone.run("create", "wn1", "se")
    assert "wn2: booted" in clone.run("create", "wn2")
    clone.ssh("wn1", "touch kept")
    clone.run("destroy", "wn2")
    assert [line.split()[3] for line in clone.run("status").splitlines()] == ["running", "absent", "absent", "running"]
    clone.run("create")
    assert clone.ssh("wn1", "ls") == "kept"
    assert clone.ssh("wn2", "ls") == ""
    clone.run("disconnect", "wn1")
    with pytest.raises(subprocess.CalledProcessError):
        clone.ssh("wn1", "true")
    assert "wn1: connected" in clone.run("create")
    assert clone.ssh("wn1", "ls") == "kept"


def test_reboot_keeps_what_is_on_disk(clone: Clone) -> None:
    clone.run("create", "wn2")
    clone.ssh("wn2", "touch kept; sudo touch /run/forgotten; sudo systemctl reboot >/dev/null 2>&1 || true")
    assert "nothing changed" in clone.run("create", "wn2")
    assert clone.ssh("wn2", "ls; ls /run/forgotten 2>/dev/null || true") == "kept"


def test_node_is_made_anew_when_the_plan_changes(clone: Clone) -> None:
    clone.run("create", "wn1", "se")
    plan = yaml.safe_load(clone.inventory.read_text())
    plan["all"]["children"]["workers"]["hosts"]["wn1"]["ansible_host"] = "10.213.77.99"
    clone.inventory.write_text(yaml.safe_dump(plan))
    assert "wn1: booted (bookworm, 10.213.77.99)" in clone.run("create", "wn1", "se")
    assert clone.ssh("se", "getent hosts wn1").split()[0] == "10.213.77.99"


def test_one_cluster_at_a_time(clone: Clone, tmp_path: Path) -> None:
    other = Clone(tmp_path / "other")
    clone.run("create", "se")
    for command in ("create", "destroy"):
        assert f"the cluster on this machine is that of {clone.root}" in other.run(command, succeeds=False)
    assert clone.ssh("se", "hostname") == "se"


def test_one_run_at_a_time(clone: Clone) -> None:
    with socket.socket(socket.AF_UNIX) as lock:
        lock.bind("\0grid-security-cluster")
        assert "wait for that to end" in clone.run("create", succeeds=False)
