# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ``python -m cluster COMMAND [NODE…]`` in ``tests/support``. Use sudo if root's rights are needed."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import access, groups, images, network, nodes
from .errors import ClusterError
from .plan import ROOT, STATE, Node, Plan, read

_MACHINE = Path("/run/grid-security-cluster")
_OWNER = _MACHINE / "owner"
_SOCKETS = (
    _MACHINE / "ssh"
)  # the directory in which ssh keeps connections open, by the inventory and molecule's configuration
_BOOT_LIMIT = 120.0  # seconds; a second or two is usual


def create(plan: Plan, selected: list[Node]) -> list[str]:
    """Build missing images, and boot missing nodes. Return when the nodes are ready for use."""
    _claim()
    groups.kill("create")  # processes of a killed run
    groups.enter("create")
    said = images.build(node.image for node in selected)
    access.create(plan)
    if network.create(plan.controller):
        said.append(f"bridge {network.BRIDGE}: created")
    started = [node for node in selected if nodes.start(node, plan)]
    said += [f"{node.name}: connected" for node in selected if node not in started and network.plug(node.name)]
    for node in selected:
        nodes.wait(node, _BOOT_LIMIT, all_services=node in started)
    return said + [f"{node.name}: booted ({node.image.release}, {node.address})" for node in started]


def destroy(plan: Plan, selected: list[Node]) -> list[str]:
    """Remove nodes. With the last node, remove everything that ``create`` made, except complete images."""
    _refuse_others()
    groups.kill("create")
    said = [f"{node.name}: removed" for node in selected if nodes.stop(node)]
    if any(groups.is_running(node.name) for node in plan.nodes):
        return said
    access.close_connections(_SOCKETS.glob("*"))
    groups.kill()
    groups.remove()
    said += [f"link {name}: removed" for name in network.remove()]
    said += [f"{path}: removed" for path in images.prune(node.image for node in plan.nodes)]
    said += [f"{path}: removed" for path in (STATE, _MACHINE) if path.exists()]
    shutil.rmtree(STATE, ignore_errors=True)
    shutil.rmtree(_MACHINE, ignore_errors=True)  # last, because it names the owner of all other files
    return said


def disconnect(_plan: Plan, selected: list[Node]) -> list[str]:
    """Disconnect nodes from the network. They keep running. ``create`` connects them again."""
    for node in selected:
        network.unplug(node.name)
    return [f"{node.name}: disconnected" for node in selected]


def status(_plan: Plan, selected: list[Node]) -> list[str]:
    """Print one line for each node."""
    states = {True: "running", False: "absent"}
    return [f"{n.name}\t{n.address}\t{n.image.release}\t{states[groups.is_running(n.name)]}" for n in selected]


_COMMANDS: dict[str, Callable[[Plan, list[Node]], list[str]]] = {
    "create": create,
    "destroy": destroy,
    "disconnect": disconnect,
    "status": status,
}


def main(arguments: list[str]) -> None:
    os.umask(0o022)  # most files belong to a node, where other accounts read them
    parser = argparse.ArgumentParser(prog="cluster", description="Real Debian nodes for the scenarios in molecule/.")
    parser.add_argument("command", choices=_COMMANDS, help="what to do")
    parser.add_argument("nodes", nargs="*", metavar="NODE", help="with these nodes only")
    chosen = parser.parse_args(arguments)
    plan = read()
    selected = plan.select(chosen.nodes)
    start = time.monotonic()
    if chosen.command == "status":
        print("\n".join(status(plan, selected)))
    elif chosen.command == "destroy" and not _anything():
        print("nothing to destroy")
    else:
        _become_root(arguments)
        with _alone():
            said = _COMMANDS[chosen.command](plan, selected)
        print("\n".join(said or ["nothing changed"]))
        print(f"{chosen.command} took {time.monotonic() - start:.1f} s")


def _anything() -> bool:
    return any([_MACHINE.exists(), groups.exists(), STATE.exists(), network.exists(), images.incomplete()])


def _become_root(arguments: list[str]) -> None:
    if os.geteuid() != 0:
        # Without compiled files, which would belong to root in the user's clone.
        os.execvp("sudo", ["sudo", sys.executable, "-B", "-m", "cluster", *arguments])


def _alone() -> socket.socket:
    """Hold a name in the kernel that only one process can hold. The kernel releases it when the process ends."""
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind("\0grid-security-cluster")
    except OSError:
        raise ClusterError("a cluster is being created or destroyed on this machine: wait for that to end.") from None
    return lock


def _claim() -> None:
    """Write the owner of the cluster before anything else exists."""
    _refuse_others()
    _SOCKETS.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = _OWNER.with_suffix(".partial")
    partial.write_text(str(ROOT))
    partial.rename(_OWNER)
    STATE.mkdir(parents=True, exist_ok=True)
    access.own(_SOCKETS, STATE)


def _refuse_others() -> None:
    """Check that no other clone has a cluster. Two clones would have the same addresses."""
    owner = Path(_OWNER.read_text()) if _OWNER.exists() else ROOT
    if owner != ROOT and owner.is_dir() and groups.exists():
        raise ClusterError(
            f"the cluster on this machine is that of {owner}. "
            "Before there can be another: python -m cluster destroy, in its tests/support."
        )


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ClusterError as error:
        sys.exit(f"cluster: {error}")
