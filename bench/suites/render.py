# SPDX-License-Identifier: GPL-3.0-or-later
"""Count how often archives are opened in one run, with one host and with three. Firefox writes such archives."""

from __future__ import annotations

import nodes
import workload
from harness import Case, Comparison, Figures
from places import BENCH, ROOT, WORK
from sites import Hosts, Site, forget
from sites import nodes as real_nodes

_OPENED = WORK / "opened"


def comparisons() -> list[Comparison]:
    nodes.run(Site("ping"), nodes.ACCOUNTS)
    return [_comparison(500)]


def _comparison(users: int) -> Comparison:
    everywhere = real_nodes()
    one_host = dict(list(everywhere.items())[:1])
    sequences = [[_case(users, one_host)], [_case(users, everywhere)]]
    ping, title = Case("ping", Site("ping").play("ping")), f"{users} archives with 600,000 iterations"
    return Comparison(title, ping, sequences, iterations=workload.ITERATIONS)


def _case(users: int, hosts: Hosts) -> Case:
    site = Site(f"render-{users}-{len(hosts)}", hosts, user_credentials=workload.credentials(users, "firefox"))
    path = f"{BENCH / 'counting'}:{ROOT / 'build/collections'}"
    command = ["env", f"PYTHONPATH={path}", f"BENCH_OPENED={_OPENED}", *site.play("credentials/grid_security")]
    prepare = [site.shell(nodes.NO_CREDENTIALS), ["rm", "-f", str(_OPENED)], forget()]
    return Case(f"{users} archives, {len(hosts)} hosts", command, prepare, about={"hosts": len(hosts)}, probe=_opened)


def _opened() -> Figures:
    return {"opened": len(_OPENED.read_text().split())}
