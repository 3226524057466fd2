# SPDX-License-Identifier: GPL-3.0-or-later
"""An expired CRL, with which clients refuse everything, is noticed and replaced."""

from __future__ import annotations

import base64
import subprocess

from scenario import CERTIFICATES, PKI, as_user, as_user_fails, site
from testinfra.host import Host

testinfra_hosts = ["ansible://wn1"]

PROXY = ("grid-proxy-init -pwstdin -verify", "store-alice")


def expired_crl() -> str:
    """A CRL of the authority's, in Base64, that was good until years ago."""
    times = ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z"]
    command = ["openssl", "ca", "-config", "ca.cnf", "-gencrl", *times]
    return base64.b64encode(subprocess.run(command, cwd=PKI, check=True, capture_output=True).stdout).decode()


def test_expired_crl(host: Host) -> None:
    as_user(host, "alice", *PROXY)
    with host.sudo():
        host.check_output("sh -c %s", f"for f in {CERTIFICATES}/*.r0; do echo {expired_crl()} | base64 -d >$f; done")
    as_user_fails(host, "alice", *PROXY)
    dry = site("--limit", "wn1", "--check")
    assert "expired" in dry.output
    as_user_fails(host, "alice", *PROXY)
    mended = site("--limit", "wn1")
    assert mended.is_good, mended.output
    assert mended.changed == {"wn1": 1}
    as_user(host, "alice", *PROXY)
    assert site("--limit", "wn1").changed == {"wn1": 0}
