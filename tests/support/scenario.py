# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the site's playbook, and use grid clients on the nodes like users, for tests of scenarios."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from testinfra.host import Host

__all__ = [
    "AUTHORITY",
    "CERTIFICATES",
    "INVENTORY",
    "PKI",
    "ROOT",
    "Run",
    "as_user",
    "as_user_fails",
    "authority",
    "facts",
    "play",
    "site",
]

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "molecule/inventory"
PKI = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "pki"
AUTHORITY = ROOT / "tests/integration/targets/setup_credentials/files/authority"
CERTIFICATES = "/etc/grid-security/certificates"

_RECAP = re.compile(r"^(\w+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """Hold the output of a run of ansible-playbook, and the changed and failed tasks of each host."""

    output: str
    changed: dict[str, int]
    failed: dict[str, int]
    unreachable: dict[str, int]

    @property
    def is_good(self) -> bool:
        return bool(self.changed) and not any((*self.failed.values(), *self.unreachable.values()))


def site(*options: str) -> Run:
    """Run the playbook grid.security.site on all nodes, unless options limit it."""
    return play("grid.security.site", *options)


def play(playbook: str, *options: str) -> Run:
    """Run a playbook of the scenarios or of the collection."""
    command = ["ansible-playbook", "--inventory", str(INVENTORY), *options, playbook]
    plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run(command, cwd=ROOT / "molecule", env=plain, capture_output=True, text=True, check=False)
    recap = [(host, int(c), int(u), int(f)) for host, c, u, f in _RECAP.findall(done.stdout)]
    return Run(
        done.stdout + done.stderr,
        {host: changed for host, changed, _u, _f in recap},
        {host: failed for host, _c, _u, failed in recap},
        {host: unreachable for host, _c, unreachable, _f in recap},
    )


def authority(*arguments: str) -> None:
    """Issue or revoke a certificate with the test CA. See the script for its arguments."""
    subprocess.run([AUTHORITY, PKI, *arguments], check=True)


def as_user(host: Host, user: str, command: str, given: str = "") -> str:
    """Run a command as the user with ``given`` as its input. Return its output. It must succeed."""
    return host.check_output("printf %%s %s | sudo --user %s --set-home sh -c %s", given, user, f"{command} 2>&1")


def as_user_fails(host: Host, user: str, command: str, given: str = "") -> str:
    """Run a command as the user. Return its output. It must fail."""
    done = host.run("printf %%s %s | sudo --user %s --set-home sh -c %s", given, user, f"{command} 2>&1")
    assert done.rc != 0, f"succeeded, and should not: {command}\n{done.stdout}"
    return str(done.stdout)


def facts(host: Host, path: str) -> str:
    """Return type, owner and mode of a file, as root sees them."""
    with host.sudo():
        return host.check_output("stat --format '%%F %%U %%a' %s", path)
