# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the VOMS clients in Java, on releases of Debian that have them."""

from __future__ import annotations

from scenario import as_user
from testinfra.host import Host

testinfra_hosts = ["ansible://wn1"]


def test_attributes_from_the_vo(host: Host) -> None:
    as_user(host, "alice", "voms-proxy-init3 -pwstdin -voms testvo -out ~/java", "store-alice")
    assert "attribute : /testvo" in as_user(host, "alice", "voms-proxy-info3 -file ~/java -all")
