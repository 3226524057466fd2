# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the output of a run with -v: 200 users on each node, and one renewed certificate."""

from __future__ import annotations

import nodes
import workload
from harness import Case, Comparison
from sites import Site

USERS = 200


def comparisons() -> list[Comparison]:
    before, after = (_site(edition) for edition in workload.EDITIONS)
    nodes.run(before, f"{nodes.ACCOUNTS}; {nodes.NOTHING}")
    commands = {f"{role}, one of {USERS} renewed, -v": role for role in ("user_credentials", "node")}
    sequences = [[_case(name, before, after, role)] for name, role in commands.items()]
    ping = Case("ping", before.play("ping", "-v"), prints=True)
    return [Comparison("Bytes of output", ping, sequences, iterations=workload.ITERATIONS)]


def _case(name: str, before: Site, after: Site, role: str) -> Case:
    prepare = [before.play("role", bench_role=role)]
    return Case(name, after.play("role", "-v", bench_role=role), prepare, changes=True, prints=True)


def _site(edition: str) -> Site:
    """Describe nodes with all users. :param edition: of the first user's archive."""
    users = workload.credentials(USERS)
    users[0] = {**workload.credential("openssl", edition, workload.USERS[0]), "allow_older": True}
    return Site(f"output-{edition}", user_credentials=users, grid_mapfile_path="/etc/grid-security/grid-mapfile")
