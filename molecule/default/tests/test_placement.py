# SPDX-License-Identifier: GPL-3.0-or-later
"""Check place, owner and mode of all files."""

from __future__ import annotations

import pytest
from scenario import CERTIFICATES, as_user, facts
from testinfra.host import Host

testinfra_hosts = ["ansible://workers"]


@pytest.mark.parametrize("user", ["alice", "bob"])
def test_credential_is_the_user_s_alone(host: Host, user: str) -> None:
    globus = f"/home/{user}/.globus"
    assert facts(host, globus) == f"directory {user} 700"
    assert facts(host, f"{globus}/usercert.pem") == f"regular file {user} 600"
    assert facts(host, f"{globus}/userkey.pem") == f"regular file {user} 600"
    assert as_user(host, user, "ls ~/.globus").split() == ["usercert.pem", "userkey.pem"]


def test_trust_directory_has_what_clients_look_for(host: Host) -> None:
    certificate = f"{CERTIFICATES}/example-ca.pem"
    assert facts(host, certificate) == "regular file root 644"
    for option in ("-subject_hash", "-subject_hash_old"):
        digest = host.check_output("openssl x509 -noout %s -in %s", option, certificate)
        assert host.file(f"{CERTIFICATES}/{digest}.0").linked_to == certificate
        assert (
            host.file(f"{CERTIFICATES}/{digest}.signing_policy").linked_to
            == f"{CERTIFICATES}/example-ca.signing_policy"
        )
        assert host.file(f"{CERTIFICATES}/{digest}.r0").exists


def test_vos_are_known(host: Host) -> None:
    assert host.file("/etc/vomses/testvo").content_string.startswith('"testvo" "se.grid.test" "15000" ')
    assert host.file("/etc/grid-security/vomsdir/dteam/voms-dteam-auth.cern.ch.lsc").mode == 0o644


def test_crls_are_fetched_by_one_timer(host: Host) -> None:
    timers = host.check_output("systemctl list-timers --all --no-legend").splitlines()
    assert len([line for line in timers if "fetch-crl" in line]) == 1
    assert host.service("fetch-crl.timer").is_enabled
    assert facts(host, "/run/lock/fetch-crl-cron") == "directory root 755"  # so that the job in cron.d does nothing
