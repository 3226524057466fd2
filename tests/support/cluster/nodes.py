# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and end a node, and make the layer above the image with the node's own files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

from . import access, groups, images, network
from .errors import ClusterError
from .plan import BUILD, STATE, Node, Plan

__all__ = ["start", "stop", "wait"]

_BOOT = Path(__file__).with_name("boot")
_ADMIN = 1000  # the first account of an image
_LOG_LINES = 40


def start(node: Node, plan: Plan) -> bool:
    """Boot the node unless it runs as planned. Return whether it was booted."""
    wanted = json.dumps([images.path(node.image).name, _files(node, plan)])
    made_for = _directory(node) / "made_for"
    if groups.is_running(node.name):
        if made_for.exists() and made_for.read_text() == wanted:
            return False
        _halt(node)
    _make_seed(node, plan)
    made_for.write_text(wanted)
    _boot(node)
    return True


def wait(node: Node, seconds: float, all_services: bool) -> None:
    """Wait until the node has booted and an administrator can work there.

    :param all_services: whether a failed service is an error.
    :raises ClusterError: after ``seconds``, or for a service, with the end of the node's console.
    """
    deadline = time.monotonic() + seconds
    said = ""
    while groups.is_running(node.name) and time.monotonic() < deadline:
        said = _state(node, deadline)
        if said == "running" or said.startswith("degraded") and not all_services:
            return
        if said.startswith("degraded"):
            break
        time.sleep(0.1)
    console = (_directory(node) / "console").read_text(errors="replace").split("\n")[-_LOG_LINES:]
    raise ClusterError("\n".join([f"{node.name} is not ready: {said}", *console]))


def stop(node: Node) -> bool:
    """End the node at once, like a power failure, and remove its files. Return whether there was a node."""
    existed = groups.is_running(node.name) or _directory(node).exists()
    _halt(node)
    shutil.rmtree(_directory(node), ignore_errors=True)
    return existed


def _halt(node: Node) -> None:
    groups.kill(node.name)
    groups.remove(node.name)


def _boot(node: Node) -> None:
    layers = [_directory(node) / "seed", images.path(node.image)]
    words = [
        node.name,
        str(groups.members_file(node.name)),
        network.BRIDGE,
        ":".join(str(layer.relative_to(BUILD)) for layer in layers),
    ]
    with (_directory(node) / "console").open("wb") as console:
        process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", str(_BOOT), *words],
            cwd=BUILD,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while not groups.is_running(node.name) and process.poll() is None:
        time.sleep(0.01)


def _state(node: Node, deadline: float) -> str:
    """Return the state that systemd of the node reports after the boot, or the error of SSH."""
    script = "sudo systemctl is-system-running --wait || systemctl --failed --no-legend --plain"
    left = max(1.0, deadline - time.monotonic())
    try:
        done = subprocess.run(access.command(node, script), capture_output=True, text=True, timeout=left, check=False)
    except subprocess.TimeoutExpired:
        return "no answer"
    return done.stdout.strip() or done.stderr.strip()


def _make_seed(node: Node, plan: Plan) -> None:
    """Make the layer above the image with the node's own files."""
    seed = _directory(node) / "seed"
    shutil.rmtree(seed, ignore_errors=True)
    for name, text in _files(node, plan).items():
        path = seed / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(access.host_key(node), seed / "etc/ssh/ssh_host_ed25519_key")
    home = seed / "home/admin"
    (home / ".ssh").mkdir(parents=True)
    shutil.copyfile(access.public_key(), home / ".ssh/authorized_keys")
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, _ADMIN, _ADMIN)


def _files(node: Node, plan: Plan) -> dict[str, str]:
    # Without link-local addresses, networkd has nothing to wait for.
    address = f"{node.address}/{plan.controller.network.prefixlen}"
    return {
        "etc/hostname": f"{node.name}\n",
        "etc/hosts": _hosts(plan),
        "etc/resolv.conf": "# This network has no name server and no way out.\n",
        "etc/ssh/ssh_host_ed25519_key.pub": access.host_key(node).with_suffix(".pub").read_text(),
        "etc/systemd/network/10-cluster.network": f"[Match]\nName=host0\n\n[Network]\nAddress={address}\n"
        f"Gateway={plan.controller.ip}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    }


def _hosts(plan: Plan) -> str:
    names = {str(plan.controller.ip): "controller", **{str(node.address): node.name for node in plan.nodes}}
    lines = [f"{address} {name}.{plan.domain} {name}\n" for address, name in names.items()]
    return "".join(["127.0.0.1 localhost\n::1 localhost\n", *lines])


def _directory(node: Node) -> Path:
    return STATE / node.name
