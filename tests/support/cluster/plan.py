# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the plan of the cluster from the inventory: the nodes, their addresses and their software."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import ClusterError

__all__ = ["BUILD", "INVENTORY", "ROOT", "STATE", "Image", "Node", "Plan", "read"]

ROOT = Path(__file__).resolve().parents[3]
INVENTORY = ROOT / "molecule/inventory/hosts.yml"
BUILD = ROOT / "build"
STATE = BUILD / "cluster"

_LONGEST_NAME = 15 - len("vb-gs-")  # linux/if.h, IFNAMSIZ: the node's name is part of an interface's name


@dataclass(frozen=True)
class Image:
    """Hold a release of Debian and its additional packages."""

    release: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class Node:
    """Hold a machine of the cluster."""

    name: str
    address: ipaddress.IPv4Address
    image: Image


@dataclass(frozen=True)
class Plan:
    """Hold all nodes, and their network.

    :param controller: this machine's address in the network, with the prefix.
    """

    nodes: tuple[Node, ...]
    controller: ipaddress.IPv4Interface
    domain: str

    def select(self, names: list[str]) -> list[Node]:
        """Return the nodes with these names, or all nodes without names.

        :raises ClusterError: no node has a name.
        """
        unknown = set(names) - {node.name for node in self.nodes}
        if unknown:
            raise ClusterError(f"{INVENTORY} has no node called {', '.join(sorted(unknown))}.")
        return [node for node in self.nodes if not names or node.name in names]


def read(path: Path = INVENTORY) -> Plan:
    """Read the plan in an inventory.

    :raises ClusterError: a name or an address cannot be used.
    """
    everything = yaml.safe_load(path.read_text(encoding="utf-8"))["all"]
    settings = everything["vars"]
    images = {
        release: Image(release, (*settings["cluster_packages"], *packages))
        for release, packages in settings["cluster_releases"].items()
    }
    nodes = tuple(
        Node(name, ipaddress.IPv4Address(host["ansible_host"]), images[host["cluster_release"]])
        for name, host in _hosts(everything)
    )
    plan = Plan(nodes, ipaddress.IPv4Interface(settings["cluster_controller"]), settings["cluster_domain"])
    _check(plan)
    return plan


def _hosts(group: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from group.get("hosts", {}).items()
    for child in group.get("children", {}).values():
        yield from _hosts(child)


def _check(plan: Plan) -> None:
    for node in plan.nodes:
        if len(node.name) > _LONGEST_NAME:
            raise ClusterError(f"node {node.name}: the name is longer than {_LONGEST_NAME} characters, shorten it.")
        if node.address not in plan.controller.network:
            raise ClusterError(f"node {node.name}: {node.address} is not in {plan.controller.network}, correct one.")
