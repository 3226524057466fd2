# SPDX-License-Identifier: GPL-3.0-or-later
"""Connect the nodes by a bridge. This machine has an address on the bridge, and forwards nothing."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from typing import Any

from .errors import ClusterError

__all__ = ["BRIDGE", "create", "exists", "plug", "remove", "unplug"]

BRIDGE = "gs-cluster"
_LINKS = "vb-gs-"  # nspawn's prefix, and the prefix of the nodes


def create(controller: ipaddress.IPv4Interface) -> bool:
    """Make the bridge with this machine's address. Return whether it was missing.

    :raises ClusterError: another interface has addresses of the same network.
    """
    interfaces = {one["ifname"]: one["addr_info"] for one in _show("-4", "address", "show")}
    if str(controller) in _addresses(interfaces.pop(BRIDGE, [])):
        return False
    for name, found in interfaces.items():
        if any(ipaddress.IPv4Interface(one).network.overlaps(controller.network) for one in _addresses(found)):
            raise ClusterError(f"{name} has addresses of {controller.network}: change cluster_controller.")
    remove()
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", str(controller), "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    return True


def exists() -> bool:
    """Return whether there is a bridge or a link of a cluster."""
    return bool(_links())


def remove() -> list[str]:
    """Remove the bridge and its remaining links, and return their names.

    :raises ClusterError: an interface cannot be removed.
    """
    found = _links()
    for name in found:
        # The kernel removes a node's link a little after the node's last process.
        subprocess.run(["ip", "link", "delete", name], stderr=subprocess.DEVNULL, check=False)
    if _links():
        raise ClusterError(f"cannot remove the links {', '.join(_links())}.")
    return found


def plug(node: str) -> bool:
    """Connect the node to the bridge. Return whether it was disconnected."""
    found = [one.get("master") for one in _show("link", "show") if one["ifname"] == _LINKS + node]
    if found in ([], [BRIDGE]):  # a node without a link is about to boot again, and will have a link then
        return False
    _ip("link", "set", _LINKS + node, "master", BRIDGE)
    return True


def unplug(node: str) -> None:
    """Disconnect the node from the bridge. The node's interface stays up, but nobody answers."""
    _ip("link", "set", _LINKS + node, "nomaster")


def _addresses(found: list[dict[str, Any]]) -> list[str]:
    return [f"{one['local']}/{one['prefixlen']}" for one in found if "local" in one]


def _links() -> list[str]:
    names = [one["ifname"] for one in _show("link", "show")]
    return [name for name in names if name == BRIDGE or name.startswith(_LINKS)]


def _show(*words: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = json.loads(subprocess.check_output(["ip", "-json", *words]))
    return [one for one in shown if "ifname" in one]


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"ip {' '.join(words)}: {done.stderr.strip()}")
