# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the life of credentials and nodes, in order. Each test starts in the state that the test before it left."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import testinfra
import yaml
from scenario import INVENTORY, PKI, ROOT, Run, as_user, as_user_fails, authority, site
from testinfra.host import Host

ALICE, BOB = "store-alice", "store-bob"
KEY = "/home/alice/.globus/userkey.pem"
COPY = "globus-url-copy gsiftp://se.grid.test/srv/data/events file://$HOME/events"


@pytest.fixture(name="wn1", scope="module")
def _wn1() -> Host:
    return node("wn1")


def node(name: str) -> Host:
    """Return a node with the connection of the inventory."""
    return testinfra.get_host(f"ansible://{name}?ansible_inventory={INVENTORY}")


def make_proxy(host: Host, user: str, passphrase: str) -> None:
    as_user(host, user, "grid-proxy-init -pwstdin -verify", passphrase)


def fetch(host: Host, user: str, passphrase: str) -> None:
    """Copy a file from the storage element with a new proxy."""
    make_proxy(host, user, passphrase)
    as_user(host, user, COPY)


def expiry(host: Host, user: str) -> str:
    return as_user(host, user, "openssl x509 -noout -enddate -in ~/.globus/usercert.pem")


def good(run: Run) -> Run:
    assert run.is_good, run.output
    return run


def users(**changes: dict[str, str]) -> list[str]:
    """Return options that change the users of the inventory."""
    known = yaml.safe_load((INVENTORY / "group_vars/all.yml").read_text())["site_users"]
    return ["--extra-vars", json.dumps({"site_users": [{**one, **changes.get(one["owner"], {})} for one in known]})]


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def cluster(*command: str) -> None:
    subprocess.run([sys.executable, "-m", "cluster", *command], cwd=ROOT / "tests/support", check=True)


def test_renewal_with_the_same_subject(wn1: Host) -> None:
    before = expiry(wn1, "alice")
    authority("alice.p12", "alice", "300", "import-alice", "-legacy")
    renewed = good(site())
    assert renewed.changed == {"wn1": 1, "wn2": 1, "wn3": 1, "se": 0}  # the mapping is by subject, which stays
    assert expiry(wn1, "alice") != before
    fetch(wn1, "alice", ALICE)


def test_archive_of_somebody_else_is_refused(wn1: Host) -> None:
    before = expiry(wn1, "alice")
    shutil.copy(PKI / "alice.p12", PKI / "alice.kept")
    authority("alice.p12", "mallory", "300", "import-alice")
    refused = site("--limit", "workers")
    assert refused.failed == {"wn1": 1, "wn2": 1, "wn3": 1}
    assert "it is for /DC=org/DC=example/CN=mallory" in refused.output
    assert expiry(wn1, "alice") == before
    fetch(wn1, "alice", ALICE)
    shutil.move(PKI / "alice.kept", PKI / "alice.p12")


def test_another_passphrase_of_the_stored_key(wn1: Host) -> None:
    changed = good(site(*users(alice={"privatekey_passphrase": "new-passphrase"})))
    assert changed.changed == {"wn1": 1, "wn2": 1, "wn3": 1, "se": 0}
    as_user_fails(wn1, "alice", "grid-proxy-init -pwstdin", ALICE)
    fetch(wn1, "alice", "new-passphrase")
    good(site())
    fetch(wn1, "alice", ALICE)


def test_revocation(wn1: Host) -> None:
    """Publish a CRL and fetch it by the timer's service. The storage element then refuses bob, but not alice."""
    authority("bob.p12", "bob", "300", "import-bob")
    good(site())
    fetch(wn1, "bob", BOB)
    authority("--crl", "30", "bob")
    se = node("se")
    with se.sudo():
        se.check_output("sh -c %s", f"echo {encoded(PKI / 'ca.crl')} | base64 -d >/srv/web/ca.crl")
        se.check_output("fetch-crl --randomwait 0")
    assert "revoked" in as_user_fails(wn1, "bob", COPY)
    fetch(wn1, "alice", ALICE)
    good(site())


def test_removal_of_a_user(wn1: Host) -> None:
    removed = good(site(*users(bob={"state": "absent"})))
    assert removed.changed == {"wn1": 1, "wn2": 1, "wn3": 1, "se": 1}
    assert as_user(wn1, "bob", "ls ~/.globus") == ""
    mapped = node("se").file("/etc/grid-security/grid-mapfile").content_string
    assert mapped == '"/DC=org/DC=example/CN=alice" alice\n'
    fetch(wn1, "alice", ALICE)
    good(site())


def test_a_new_node_joins() -> None:
    cluster("destroy", "wn3")
    cluster("create", "wn3")
    joined = good(site())
    assert joined.changed["wn3"] > 0
    assert {host for host, changed in joined.changed.items() if changed} == {"wn3"}
    fetch(node("wn3"), "alice", ALICE)


def test_a_node_that_is_down_catches_up() -> None:
    authority("alice.p12", "alice", "301", "import-alice", "-legacy")
    cluster("disconnect", "wn2")
    without = site("--timeout", "5")
    assert without.unreachable["wn2"] == 1
    assert without.changed == {"wn1": 1, "wn2": 0, "wn3": 1, "se": 0}
    cluster("create", "wn2")
    later = good(site())
    assert later.changed == {"wn1": 0, "wn2": 1, "wn3": 0, "se": 0}
    fetch(node("wn2"), "alice", ALICE)


def test_two_runs_at_once(wn1: Host) -> None:
    """Run twice at the same time with different passphrases. The complete result of one run stays."""
    choices = ["first-choice", "other-choice"]
    for _round in range(3):
        with ThreadPoolExecutor(2) as pool:
            runs = pool.map(lambda one: site("--limit", "wn1", *users(alice={"privatekey_passphrase": one})), choices)
            assert any(run.is_good for run in runs)
        opened = [wn1.run("sudo -u alice openssl pkey -noout -in %s -passin pass:%s", KEY, one).rc for one in choices]
        assert sorted(opened) == [0, 1]
        assert as_user(wn1, "alice", "ls -A ~/.globus").split() == ["usercert.pem", "userkey.pem"]
    good(site())
    fetch(wn1, "alice", ALICE)
    assert set(good(site()).changed.values()) == {0}
