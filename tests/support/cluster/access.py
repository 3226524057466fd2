# SPDX-License-Identifier: GPL-3.0-or-later
"""How this machine's users reach the nodes: SSH as ``admin`` with a key that lives as long as the cluster.

``ssh -F build/cluster/ssh_config wn1`` is all that is needed; ansible and testinfra use the same file. The nodes' host
keys are made here and known beforehand, so that nothing has to be trusted on first use.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .plan import ROOT, STATE, Node, Plan

__all__ = ["CONFIG", "close_connections", "command", "create", "host_key", "own", "public_key"]

CONFIG = STATE / "ssh_config"
_KEY = STATE / "key/id"
_KNOWN_HOSTS = STATE / "known_hosts"


def create(plan: Plan) -> None:
    """Make what is missing of key, host keys and configuration."""
    _make_key(_KEY, "admin")
    own(_KEY.parent, _KEY, public_key())
    host_keys = {node: host_key(node).with_suffix(".pub").read_text() for node in plan.nodes}
    _write(_KNOWN_HOSTS, "".join(f"{node.name} {key}" for node, key in host_keys.items()))
    _write(CONFIG, _config(plan))


def public_key() -> Path:
    """What the nodes accept."""
    return _KEY.with_suffix(".pub")


def host_key(node: Node) -> Path:
    """The node's private host key, made if there is none; the public one is beside it."""
    path = STATE / node.name / "host_key/id"
    _make_key(path, node.name)
    return path


def command(node: Node, *words: str) -> list[str]:
    """The command that runs ``words`` on the node over a connection of its own."""
    return ["ssh", "-F", str(CONFIG), "-o", "ControlPath=none", "-o", "ConnectTimeout=2", node.name, *words]


def close_connections(sockets: Iterable[Path]) -> None:
    """End the processes that hold connections open for later runs; a socket without one is just left over."""
    for socket in sockets:
        subprocess.run(
            ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"],
            stderr=subprocess.DEVNULL,
            check=False,
        )


def own(*paths: Path) -> None:
    """Give what root made to the user whose clone this is."""
    user = ROOT.stat()
    for path in paths:
        os.chown(path, user.st_uid, user.st_gid)


def _config(plan: Plan) -> str:
    hosts = [
        f"Host {node.name} {node.name}.{plan.domain} {node.address}\n"
        f"    HostName {node.address}\n    HostKeyAlias {node.name}\n"
        for node in plan.nodes
    ]
    settings = {
        "User": "admin",
        "IdentityFile": _quoted(_KEY),
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": _quoted(_KNOWN_HOSTS),
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        # A node that is disconnected or was destroyed must not be waited for.
        "ConnectTimeout": "5",
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "3",
    }
    return "".join([*hosts, "Host *\n", *(f"    {key} {value}\n" for key, value in settings.items())])


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'


def _make_key(path: Path, comment: str) -> None:
    """A key pair, complete or not at all: the directory with both files gets its name last."""
    if path.exists():
        return
    partial = path.parent.with_name(path.parent.name + ".partial")
    subprocess.run(["rm", "-rf", "--", partial], check=True)
    partial.mkdir(parents=True, mode=0o755)
    ssh_keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(partial / path.name)]
    subprocess.run(ssh_keygen, check=True)
    partial.rename(path.parent)


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    partial.chmod(0o644)
    own(partial)
    partial.rename(path)
