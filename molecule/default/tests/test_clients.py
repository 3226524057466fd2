# SPDX-License-Identifier: GPL-3.0-or-later
"""Run grid clients on each worker node with the placed files, from a legacy archive to a file transfer."""

from __future__ import annotations

import hashlib

import pytest
from scenario import CERTIFICATES, as_user, as_user_fails
from testinfra.host import Host

testinfra_hosts = ["ansible://workers"]

FILE = "gsiftp://se.grid.test/srv/data/events"


@pytest.fixture(name="proxy")
def _proxy(host: Host) -> str:
    """Make a proxy of alice."""
    made = as_user(host, "alice", "grid-proxy-init -pwstdin -verify", "store-alice")
    assert "Proxy Verify OK" in made
    return as_user(host, "alice", "grid-proxy-info -identity")


def test_proxy(proxy: str) -> None:
    assert proxy == "/DC=org/DC=example/CN=alice"


def test_another_passphrase_opens_no_key(host: Host) -> None:
    assert "user key" in as_user_fails(host, "alice", "grid-proxy-init -pwstdin -out ~/other", "store-bob")


def test_file_from_the_storage_element(host: Host, proxy: str) -> None:
    assert proxy
    as_user(host, "alice", f"rm -f ~/events && globus-url-copy {FILE} file:///home/alice/events")
    expected = hashlib.sha256(" ".join(map(str, range(1, 100000))).encode()).hexdigest()
    assert as_user(host, "alice", "sha256sum ~/events").split()[0] == expected


def test_attributes_from_the_vo(host: Host) -> None:
    as_user(host, "alice", "voms-proxy-init2 -pwstdin -voms testvo -out ~/voms", "store-alice")
    told = as_user(host, "alice", "voms-proxy-info -file ~/voms -all")
    assert "attribute : /testvo" in told
    assert "VO        : testvo" in told


def test_tls_service_with_the_host_s_credential(host: Host) -> None:
    fetched = as_user(
        host, "alice", f"curl --silent --show-error --capath {CERTIFICATES} https://se.grid.test:8443/data/events"
    )
    assert fetched.startswith("1 2 3 ")
    assert "certificate" in as_user_fails(
        host, "alice", "curl --silent --show-error https://se.grid.test:8443/data/events"
    )
    verified = as_user(
        host,
        "alice",
        f"openssl s_client -connect se.grid.test:8443 -verify_return_error -CApath {CERTIFICATES} </dev/null",
    )
    assert "Verify return code: 0 (ok)" in verified
