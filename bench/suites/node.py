# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a whole node, in one call and role by role: the cost of a site that runs every half hour."""

from __future__ import annotations

import nodes
import workload
from harness import Case, Comparison, run
from sites import Site, forget

ROLES = ("trust_anchors", "voms_client", "host_credential", "user_credentials", "grid_mapfile")
USERS = 50


def comparisons() -> list[Comparison]:
    site = whole("node", USERS)
    ping = Case("ping", site.play("ping"))
    nodes.run(site, f"{nodes.ACCOUNTS}; {nodes.NOTHING}")
    run(site.play("role", bench_role="node"))
    roles = [[_role(site, role)] for role in (*ROLES, "node")] + [[_unchecked(site, role)] for role in ROLES]
    first = Case(
        "node, first", site.play("role", bench_role="node"), [site.shell(nodes.NOTHING), forget()], changes=True
    )
    return [
        Comparison("Nothing to do, by role", ping, [*roles, [_one_by_one(site)]], iterations=workload.ITERATIONS),
        Comparison("A whole node", ping, [[first, _role(site, "node")]], iterations=workload.ITERATIONS),
    ]


def whole(name: str, users: int) -> Site:
    """Return nodes with all parts."""
    return Site(
        name,
        trust_anchors_sources=[
            str(workload.release("new")),
            {"src": str(workload.AUTHORITY), "name": "bench-ca", "subjects": ["/DC=org/DC=example/*"]},
        ],
        voms_client_vos=["atlas", "cms", "alice", "lhcb", "dteam"],
        host_credential_src=str(workload.HOST_ARCHIVE),
        host_credential_passphrase=workload.HOST_PASSPHRASE,
        user_credentials=workload.credentials(users),
        grid_mapfile_path="/etc/grid-security/grid-mapfile",
    )


def _role(site: Site, role: str) -> Case:
    return Case(f"{role}, nothing to do", site.play("role", bench_role=role), about={"role": role}, changes=False)


def _unchecked(site: Site, role: str) -> Case:
    """Run a role without Ansible's task that checks the role's variables. The action checks its options anyway."""
    play = site.play("role_unchecked", bench_role=role)
    return Case(f"{role} with rolespec_validate: false", play, about={"role": role}, changes=False)


def _one_by_one(site: Site) -> Case:
    play = site.play("roles")
    return Case("five roles, nothing to do", play, about={"role": "all"}, changes=False)
