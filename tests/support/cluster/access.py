# SPDX-License-Identifier: GPL-3.0-or-later
"""Set up SSH to the nodes as ``admin``, with a key that exists as long as the cluster.

Users run ``ssh -F build/cluster/ssh_config wn1``. Ansible and testinfra use the same file. The nodes' host
keys are made here, so that ssh knows them before the first connection.
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
    """Make the key, the host keys and the configuration, if they are missing."""
    _make_key(_KEY, "admin")
    own(_KEY.parent, _KEY, public_key())
    host_keys = {node: host_key(node).with_suffix(".pub").read_text() for node in plan.nodes}
    _write(_KNOWN_HOSTS, "".join(f"{node.name} {key}" for node, key in host_keys.items()))
    _write(CONFIG, _config(plan))


def public_key() -> Path:
    """Return the public key that the nodes accept."""
    return _KEY.with_suffix(".pub")


def host_key(node: Node) -> Path:
    """Return the path of the node's private host key. Make the key if it is missing. The public key is beside it."""
    path = STATE / node.name / "host_key/id"
    _make_key(path, node.name)
    return path


def command(node: Node, *words: str) -> list[str]:
    """Return the command that runs ``words`` on the node over a new connection."""
    return ["ssh", "-F", str(CONFIG), "-o", "ControlPath=none", "-o", "ConnectTimeout=2", node.name, *words]


def close_connections(sockets: Iterable[Path]) -> None:
    """End the processes that keep connections open for later runs. Ignore sockets without a process."""
    for socket in sockets:
        subprocess.run(
            ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "any"],
            stderr=subprocess.DEVNULL,
            check=False,
        )


def own(*paths: Path) -> None:
    """Change the owner of root's files to the user who owns this clone."""
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
        # Do not wait for nodes that are disconnected or destroyed.
        "ConnectTimeout": "5",
        "ServerAliveInterval": "2",
        "ServerAliveCountMax": "3",
    }
    return "".join([*hosts, "Host *\n", *(f"    {key} {value}\n" for key, value in settings.items())])


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("%", "%%") + '"'


def _make_key(path: Path, comment: str) -> None:
    """Make a complete key pair: the directory with both files gets its name at the end."""
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
