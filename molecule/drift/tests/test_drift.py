# SPDX-License-Identifier: GPL-3.0-or-later
"""Break one thing on a node. The client fails, check mode names the change, a run repairs it, the client works."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from scenario import CERTIFICATES, as_user, as_user_fails, play, site
from testinfra.host import Host

testinfra_hosts = ["ansible://wn1"]

REMOVE = f"cd {CERTIFICATES} && h=$(openssl x509 -noout {{}} -in example-ca.pem) && rm $h.0 $h.signing_policy"
PROXY = ("grid-proxy-init -pwstdin -verify", "store-alice")
VOMS_C = ("voms-proxy-init2 -pwstdin -voms testvo -out ~/voms", "store-alice")
VOMS_JAVA = ("voms-proxy-init3 -pwstdin -voms testvo -out ~/voms", "store-alice")
COPY = ("globus-url-copy gsiftp://se.grid.test/srv/data/events file:///home/alice/events", "")


@dataclass(frozen=True)
class Break:
    """Hold the command that root runs on the node, the client that fails, and the change that check mode names."""

    command: str
    client: tuple[str, str]
    named: str


BREAKS = {
    "the hash links of today": Break(REMOVE.format("-subject_hash"), PROXY, ".signing_policy: missing"),
    "the hash links of old": Break(REMOVE.format("-subject_hash_old"), VOMS_JAVA, ".0: missing"),
    "the signing policy": Break(
        f"rm {CERTIFICATES}/example-ca.signing_policy", COPY, "example-ca.signing_policy: missing"
    ),
    "another one's signing policy": Break(
        f"sed -i 's#/DC=org/DC=example/\\*#/DC=org/DC=other/*#' {CERTIFICATES}/example-ca.signing_policy",
        COPY,
        "example-ca.signing_policy: other content",
    ),
    "the root": Break(f"rm {CERTIFICATES}/example-ca.pem", PROXY, "+ example-ca"),
    "a line of the LSC file": Break(
        "sed -i 2d /etc/grid-security/vomsdir/testvo/se.grid.test.lsc", VOMS_C, "se.grid.test.lsc: other content"
    ),
    "the mode of the key": Break("chmod 0644 ~alice/.globus/userkey.pem", PROXY, "userkey.pem: mode 0644 → 0600"),
    "the key of another user": Break(
        "cat ~bob/.globus/userkey.pem >~alice/.globus/userkey.pem", PROXY, "protection differs (other salt)"
    ),
    "half of the certificate": Break("truncate --size 600 ~alice/.globus/usercert.pem", PROXY, "certificate damaged"),
}


def works(host: Host, client: tuple[str, str]) -> None:
    if client == COPY:
        as_user(host, "alice", *PROXY)
    as_user(host, "alice", *client)


@pytest.mark.parametrize("name", BREAKS)
def test_what_breaks_is_named_and_mended(host: Host, name: str) -> None:
    one = BREAKS[name]
    works(host, one.client)
    with host.sudo():
        host.check_output("sh -c %s", one.command)
    as_user_fails(host, "alice", *one.client)
    dry = play("drift/node.yml", "--limit", "wn1", "--check", "--diff")
    assert dry.is_good, dry.output
    assert dry.changed == {"wn1": 1}
    assert one.named in dry.output
    as_user_fails(host, "alice", *one.client)
    mended = play("drift/node.yml", "--limit", "wn1")
    assert mended.is_good, mended.output
    assert mended.changed == {"wn1": 1}
    works(host, one.client)


def test_nothing_is_left_to_mend() -> None:
    assert set(site().changed.values()) == {0}
