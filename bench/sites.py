# SPDX-License-Identifier: GPL-3.0-or-later
"""Write inventories, and build the commands that use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from places import ANSIBLE_HOME, PLAYBOOKS, ROOT, SSH_CONFIG, WORK

# The directory of the inventory of molecule: a node that is destroyed closes its connections there.
_SOCKETS = "/run/grid-security-cluster/ssh"
_REAL = {
    "ansible_user": "admin",
    "ansible_become": True,
    "ansible_python_interpreter": "/usr/bin/python3",
    # Longer than any command without ssh. Otherwise the next command would open a connection, and be slower for it.
    "ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=1800s",
    "ansible_ssh_common_args": f"-F {SSH_CONFIG} -o ControlPath={_SOCKETS}/%C",
}
_LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
Hosts = dict[str, dict[str, Any]]


def nodes() -> Hosts:
    """Return the worker nodes of the cluster."""
    inventory = yaml.safe_load((ROOT / "molecule/inventory/hosts.yml").read_text())
    hosts = inventory["all"]["children"]["workers"]["hosts"]
    return {name: {"ansible_host": host["ansible_host"], **_REAL} for name, host in hosts.items()}


def aliases(count: int) -> Hosts:
    """Return ``count`` hosts that are the same few nodes, to measure the controller's work for many hosts."""
    real = list(nodes().values())
    return {f"node{number:03}": real[number % len(real)] for number in range(count)}


def local(count: int) -> Hosts:
    """Return ``count`` hosts that are this machine."""
    return {f"local{number:03}": _LOCAL for number in range(count)}


class Site:
    """Hold an inventory below build/bench: its hosts, and the variables of all hosts."""

    def __init__(self, name: str, hosts: Hosts | None = None, **variables: Any) -> None:
        self.directory = WORK / "sites" / name
        self._write("hosts.yml", json.dumps({"all": {"hosts": nodes() if hosts is None else hosts}}))
        self.variables("variables", json.dumps(variables))

    def variables(self, name: str, text: str) -> Path:
        """Write a file of variables, which may be vaulted."""
        return self._write(f"group_vars/all/{name}.yml", text)

    def beside(self, name: str) -> Path:
        """Return the path of a file for the site, outside the inventory's directory."""
        return self.directory.with_name(f"{self.directory.name}-{name}")

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def play(self, playbook: str, *options: str, **variables: Any) -> list[str]:
        """Return the command that runs a playbook, with variables for this command only."""
        extra = ["--extra-vars", json.dumps(variables)] if variables else []
        return ["ansible-playbook", "-i", str(self.directory), *options, *extra, str(PLAYBOOKS / f"{playbook}.yml")]

    def shell(self, script: str) -> list[str]:
        """Return the command that runs a script on all hosts, as root."""
        return [*self._module("ansible.builtin.raw"), script]

    def module(self, name: str, **options: Any) -> list[str]:
        """Return the command that runs one module on all hosts, as root."""
        return [*self._module(name), json.dumps(options)]

    def _module(self, name: str) -> list[str]:
        return ["ansible", "-i", str(self.directory), "all", "-m", name, "-a"]


def forget() -> list[str]:
    """Return the command that removes the controller's cache."""
    return ["rm", "-rf", str(ANSIBLE_HOME / "grid.security")]


def pipelined(command: list[str]) -> list[str]:
    """Return the same command with pipelining: no temporary files for modules on the node."""
    return ["env", "ANSIBLE_PIPELINING=1", *command]
