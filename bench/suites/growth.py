# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how cost grows with users, trust anchors and hosts, and the effect of forks and pipelining."""

from __future__ import annotations

from typing import Any

import nodes
import workload
from harness import ALWAYS, Case, Comparison
from places import WORK
from sites import Site, aliases, forget, local, pipelined

USERS = (1, 10, 50, 200, 500)
ANCHORS = (1, 10, 40, ALWAYS)
HOSTS = (1, 10, 30, 100, 300)
_FEW_HOSTS = 30  # up to this number also with few forks: more hosts would take minutes and show nothing new
FORKS = (5, 50)
ALIASES = 30


def comparisons() -> list[Comparison]:
    nodes.run(Site("ping"), nodes.ACCOUNTS)
    return [_users(), _anchors(), _controller(), _pipelining(), *map(_hosts, HOSTS)]


def _users() -> Comparison:
    """Measure each number of users. Each first run starts without credentials."""
    site = Site("users")
    sequences = []
    for count in USERS:
        play = Site(f"users-{count}", user_credentials=workload.credentials(count)).play("credentials/grid_security")
        clear = site.shell(nodes.NO_CREDENTIALS)
        sequences.append(_first_and_again(f"{count} users", play, clear, users=count))
    return Comparison("Users", Case("ping", site.play("ping")), sequences, iterations=workload.ITERATIONS)


def _anchors() -> Comparison:
    site = Site("anchors")
    sequences = []
    for wanted in ANCHORS:
        options = workload.some_anchors(wanted)
        count = len(options["include"])
        name = f"{count} trust anchors"
        variables = {f"trust_anchors_{option}": value for option, value in options.items()}
        play = Site(f"anchors-{count}", **variables).play("role", bench_role="trust_anchors")
        sequences.append(_first_and_again(name, play, site.shell(nodes.NO_ANCHORS), anchors=count))
    return Comparison("Trust anchors", Case("ping", site.play("ping")), sequences)


def _controller() -> Comparison:
    """Measure many hosts, with one user and with many users, so that all hosts use the same conversions.

    There is a fork for each host. Otherwise Ansible waits for a free fork in a loop, which takes processor time.
    """
    hosts = aliases(ALIASES)
    forks = ("--forks", str(ALIASES))
    sequences = []
    for count in (1, 200):
        site = Site(f"controller-{count}", hosts, user_credentials=workload.credentials(count))
        play = site.play("credentials/grid_security", *forks)
        about = {"users": count, "hosts": ALIASES}
        once = Site(f"users-{count}", user_credentials=workload.credentials(count)).play("credentials/grid_security")
        sequences.append([Case(f"{count} users, nothing to do", play, [once], about=about, changes=False)])
    return Comparison(
        f"Controller, {ALIASES} hosts",
        Case("ping", Site("controller", hosts).play("ping", *forks), about={"hosts": ALIASES}),
        sequences,
        iterations=workload.ITERATIONS,
    )


def _pipelining() -> Comparison:
    site = Site("pipelining", user_credentials=workload.credentials(50))
    ping, play = site.play("ping"), site.play("credentials/grid_security")
    sequences = [
        [Case("ping with pipelining", pipelined(ping), about={"pipelining": True})],
        _first_and_again("50 users", play, site.shell(nodes.NO_CREDENTIALS), pipelining=False),
        _first_and_again(
            "50 users with pipelining", pipelined(play), site.shell(nodes.NO_CREDENTIALS), pipelining=True
        ),
    ]
    return Comparison("Pipelining", Case("ping", ping), sequences, iterations=workload.ITERATIONS)


def _hosts(count: int) -> Comparison:
    """Measure ``count`` hosts that are this machine, each with its own directory for the same user."""
    directory = WORK / "local"
    items = []
    for item in workload.credentials(1):
        owner = item.pop("owner")
        items.append({**item, "directory": f"{directory}/{{{{ inventory_hostname }}}}-{owner}"})
    site = Site(f"hosts-{count}", local(count), user_credentials=items)
    clear = ["rm", "-rf", str(directory)]

    def case(name: str, playbook: str, forks: int, *prepare: list[str], **about: str) -> Case:
        command = site.play(playbook, "--forks", str(forks))
        return Case(f"{name}, {forks} forks", command, list(prepare), about={"hosts": count, "forks": forks, **about})

    def again(forks: int) -> Case:
        return case("nothing to do", "credentials/grid_security", forks, step="nothing to do")

    few, many = FORKS
    first = case("first", "credentials/grid_security", many, clear, forget(), step="first")
    sequences = [[first, again(many)]]
    if count <= _FEW_HOSTS:
        sequences = [[first, again(many), again(few)], [case("ping", "ping", few)]]
    ping = case("ping", "ping", many)
    return Comparison(f"{count} local hosts", ping, sequences, iterations=workload.ITERATIONS)


def _first_and_again(name: str, play: list[str], clear: list[str], **about: Any) -> list[Case]:
    return [
        Case(f"{name}, first", play, [clear, forget()], about={**about, "step": "first"}, changes=True),
        Case(f"{name}, nothing to do", play, about={**about, "step": "nothing to do"}, changes=False),
    ]
