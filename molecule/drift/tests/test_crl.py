# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace an expired CRL, with which clients refuse everything. Test nodes that fetch without parts of fetch-crl."""

from __future__ import annotations

import base64
import contextlib
import subprocess
from collections.abc import Iterator

from scenario import CERTIFICATES, PKI, as_user, as_user_fails, site
from testinfra.host import Host

testinfra_hosts = ["ansible://wn1"]

PROXY = ("grid-proxy-init -pwstdin -verify", "store-alice")


def expired_crl() -> str:
    """Return a CRL of the CA in Base64 that expired years ago."""
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


LOCK = "/run/lock/fetch-crl-cron"
APT = "/usr/lib/python3/dist-packages/apt_pkg.*.so"


@contextlib.contextmanager
def moved_away(host: Host, pattern: str) -> Iterator[None]:
    """Move the matching files away for a while."""
    found = host.check_output("sh -c %s", f"ls {pattern}").split()
    with host.sudo():
        host.check_output("mkdir -p /root/aside")
        host.check_output(f"mv {' '.join(found)} /root/aside")
        try:
            yield
        finally:
            for path in found:
                host.check_output("mv /root/aside/%s %s", path.rpartition("/")[2], path)


def test_nodes_that_fetch_need_no_library_of_the_package_manager(host: Host) -> None:
    with moved_away(host, APT):
        assert site("--limit", "wn1").changed == {"wn1": 0}
        with moved_away(host, "/usr/sbin/fetch-crl"):
            dry = site("--limit", "wn1", "--check")
    assert dry.is_good, dry.output
    assert "fetch-crl would be installed" in dry.output


def test_what_users_put_where_the_cron_job_looks_stops_nothing(host: Host) -> None:
    """Check that a non-empty directory stays until the next boot. With a file, the cron job would run, too."""
    for prepared in (f"mkdir {LOCK} && touch {LOCK}/mine", f"touch {LOCK}"):
        with host.sudo():
            host.check_output(f"rm -rf {LOCK} /etc/tmpfiles.d/grid-security-fetch-crl.conf")
        as_user(host, "alice", prepared)
        placed = site("--limit", "wn1")
        assert placed.is_good, placed.output
        assert placed.changed["wn1"] > 0
        assert not host.file(LOCK).is_file
    assert site("--limit", "wn1").changed == {"wn1": 0}
    as_user_fails(host, "alice", f"rmdir {LOCK}")
