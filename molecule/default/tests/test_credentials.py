# SPDX-License-Identifier: GPL-3.0-or-later
"""Users can work on the nodes: trust anchors and credentials are in place, and grid clients accept them."""

from __future__ import annotations

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://all"]

TRUST = "/etc/grid-security/certificates"
USERS = ["alice", "bob"]


def facts(host: Host, path: str) -> str:
    """Type, owner and mode, as root sees them."""
    with host.sudo():
        return host.check_output("stat --format '%%F %%U %%a' %s", path)


def as_user(host: Host, user: str, command: str, given: str = "") -> str:
    """What the command prints when the user runs it with ``given`` as its input; it must succeed."""
    return host.check_output("printf %%s %s | sudo --user %s sh -c %s", given, user, command)


@pytest.mark.parametrize("user", USERS)
def test_credential_is_the_users_alone(host: Host, user: str) -> None:
    globus = f"/home/{user}/.globus"
    assert facts(host, globus) == f"directory {user} 700"
    assert facts(host, f"{globus}/usercert.pem") == f"regular file {user} 600"
    assert facts(host, f"{globus}/userkey.pem") == f"regular file {user} 600"
    assert as_user(host, user, "ls ~/.globus").split() == ["usercert.pem", "userkey.pem"]


def test_trust_directory_has_what_clients_look_for(host: Host) -> None:
    certificate = f"{TRUST}/example-ca.pem"
    for option in ("-subject_hash", "-subject_hash_old"):
        digest = host.check_output("openssl x509 -noout %s -in %s", option, certificate)
        assert host.file(f"{TRUST}/{digest}.0").linked_to == certificate
        assert host.file(f"{TRUST}/{digest}.signing_policy").linked_to == f"{TRUST}/example-ca.signing_policy"
    assert facts(host, certificate) == "regular file root 644"


@pytest.mark.parametrize("user", USERS)
def test_proxy_from_credential(host: Host, user: str) -> None:
    made = as_user(host, user, "grid-proxy-init -pwstdin -verify -out ~/proxy", f"store-{user}")
    assert "Proxy Verify OK" in made
    identity = as_user(host, user, "grid-proxy-info -identity -file ~/proxy")
    assert identity == f"/DC=org/DC=example/CN={user}"


def test_another_passphrase_opens_no_key(host: Host) -> None:
    with pytest.raises(AssertionError, match="read user key"):
        as_user(host, "alice", "grid-proxy-init -pwstdin -out ~/proxy", "store-bob")
