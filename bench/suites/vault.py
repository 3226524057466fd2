# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare passphrases in the clear, in a file that is vaulted as a whole, and in vaulted inline strings."""

from __future__ import annotations

import nodes
import workload
import yaml
from ansible.parsing.vault import VaultLib, VaultSecret
from harness import Case, Comparison, run
from places import WORK
from sites import Hosts, Site, aliases
from sites import nodes as real_nodes

USERS = 200
ALIASES = 30
_PASSWORD = WORK / "vault-password"
_VAULT = VaultLib([("default", VaultSecret(b"bench"))])


def comparisons() -> list[Comparison]:
    site = Site("vault", user_credentials=workload.credentials(USERS))
    nodes.run(site, f"{nodes.ACCOUNTS}; {nodes.NO_CREDENTIALS}")
    run(site.play("credentials/grid_security"))
    _PASSWORD.write_text("bench\n")
    return [_comparison("3 hosts", real_nodes()), _comparison(f"{ALIASES} hosts", aliases(ALIASES))]


def _comparison(title: str, hosts: Hosts) -> Comparison:
    ways = {"in the clear": _clear(), "one vaulted file": _file(), "vaulted strings": _strings()}
    sequences = []
    forks = ("--forks", str(len(hosts)))
    for way, text in ways.items():
        site = Site(f"vault-{way.replace(' ', '-')}-{len(hosts)}", hosts)
        site.variables("users", text)
        command = site.play("credentials/grid_security", *forks, "--vault-password-file", str(_PASSWORD))
        sequences.append([Case(f"{way}, nothing to do", command, about={"way": way}, changes=False)])
    ping = Case("ping", Site(f"vault-{len(hosts)}", hosts).play("ping", *forks))
    return Comparison(f"{USERS} users, {title}", ping, sequences, iterations=workload.ITERATIONS)


def _clear() -> str:
    return yaml.safe_dump({"user_credentials": workload.credentials(USERS)})


def _file() -> str:
    return _VAULT.encrypt(_clear()).decode()


class _Vaulted(str):
    """Mark a string that YAML writes with the tag !vault."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Vaulted, lambda dumper, text: dumper.represent_scalar("!vault", text, style="|"))


def _strings() -> str:
    secret = ("passphrase", "privatekey_passphrase")
    items = [
        {key: _Vaulted(_VAULT.encrypt(value).decode()) if key in secret else value for key, value in item.items()}
        for item in workload.credentials(USERS)
    ]
    return yaml.dump({"user_credentials": items}, Dumper=_Dumper)
