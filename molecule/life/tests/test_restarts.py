# SPDX-License-Identifier: GPL-3.0-or-later
"""Renew the storage element's certificate while other things fail. Its services use the new certificate."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from scenario import INVENTORY, ROOT, Run, authority, play, site
from testinfra.host import Host

testinfra_hosts = ["ansible://se"]

NODE = "drift/node.yml"  # the site's playbook without CRLs
PORTS = {"tls": 8443, "xrootd@https": 1094}
MARK = "GRID_SECURITY_TEST_RUN"
DROP_IN = "/etc/systemd/system/xrootd@https.service.d"
SYSTEMCTL = "/usr/local/sbin/systemctl"
BLOCKING = """#!/bin/sh
if test "$1" = restart; then echo $$ >/run/restarting; exec sleep infinity; fi
exec /usr/bin/systemctl "$@"
"""


def renew(serials: dict[str, str], host: Host) -> None:
    """Check that the services use the certificate in place, and issue another archive for the storage element."""
    assert set(serials.values()) == {placed(host)}
    authority("se.p12", "se.grid.test", "300", "import-host")


def placed(host: Host) -> str:
    return host.check_output("openssl x509 -noout -serial -in /etc/grid-security/hostcert.pem")


def used(host: Host) -> dict[str, str]:
    """Return the serial numbers of the certificates that the services show to clients."""
    command = (
        "until openssl s_client -connect localhost:%s </dev/null 2>/dev/null | openssl x509 -noout -serial; do :; done"
    )
    return {name: host.check_output(f"timeout 30 sh -c '{command}'", str(port)) for name, port in PORTS.items()}


def copies(owner: str) -> list[str]:
    """Return options that add a copy of the host credential."""
    known = yaml.safe_load((INVENTORY / "group_vars/storage.yml").read_text())["host_credential_copies"]
    return [
        "--extra-vars",
        json.dumps({"host_credential_copies": [*known, {"directory": "/etc/more", "owner": owner}]}),
    ]


def settle(host: Host) -> None:
    """Check that a run restarts the services, and that a second run has nothing to do."""
    again = play(NODE, "--limit", "se")
    assert again.is_good, again.output
    assert again.changed == {"se": 1}, again.output
    assert set(used(host).values()) == {placed(host)}
    assert play(NODE, "--limit", "se").changed == {"se": 0}


def failed(run: Run, *messages: str) -> None:
    assert run.failed == {"se": 1}, run.output
    assert [message for message in messages if message not in run.output] == []


def test_another_user_a_copy_and_the_crls_fail(host: Host) -> None:
    renew(used(host), host)
    alice = {"src": "{{ pki }}/alice.p12", "owner": "alice", "passphrase": "typo", "privatekey_passphrase": "x"}
    bob = {**alice, "src": "{{ pki }}/bob.p12", "owner": "bob", "passphrase": "import-bob"}
    crls = {"crl_updates_source": "controller", "crl_updates_path": "/etc/more", "crl_updates_required": True}
    run = site(
        "--limit",
        "se",
        *copies("nobody-such"),
        "--extra-vars",
        json.dumps({"grid_mapfile_credentials": [alice, bob], **crls}),
    )
    failed(run, "the import passphrase is wrong", "no account 'nobody-such'", "CAs without a valid CRL in place")
    assert set(used(host).values()) == {placed(host)}
    assert play(NODE, "--limit", "se").changed == {"se": 0}


def test_a_restart_fails_once(host: Host) -> None:
    renew(used(host), host)
    drop_in = "[Service]\\nExecStartPre=+/bin/sh -c 'test -e /run/tried || ! touch /run/tried'\\n"
    with host.sudo():
        host.check_output("mkdir %s && printf %s >%s/fails.conf && systemctl daemon-reload", DROP_IN, drop_in, DROP_IN)
    failed(
        play(NODE, "--limit", "se"),
        "the restart of xrootd@https failed: Unable to restart service xrootd@https",
        "The next run tries again.",
    )
    settle(host)
    with host.sudo():
        host.check_output("rm -r %s /run/tried && systemctl daemon-reload", DROP_IN)


@pytest.fixture(name="blocked")
def _blocked(host: Host) -> Iterator[None]:
    """Replace systemctl: a restart notes its process id in a file, and waits forever."""
    with host.sudo():
        host.check_output("printf %s %s >%s && chmod 755 %s", "%s", BLOCKING, SYSTEMCTL, SYSTEMCTL)
        yield
        host.check_output("rm %s; kill $(cat /run/restarting); rm /run/restarting", SYSTEMCTL)


def killed_at_the_restart(host: Host, mark: str) -> None:
    """Kill a run, and all processes that it started, when it has placed everything and begins to restart services."""
    command = ["ansible-playbook", "--inventory", str(INVENTORY), "--limit", "se", NODE]
    environment = {**os.environ, MARK: mark}
    run = subprocess.Popen(command, cwd=ROOT / "molecule", env=environment, stdout=subprocess.DEVNULL)
    while not host.file("/run/restarting").exists:
        assert run.poll() is None
    while run.poll() is None or any(processes(mark)):
        for process in processes(mark):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)


def processes(mark: str) -> Iterator[int]:
    """Yield the ids of all processes that have the mark in their environment."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}\0".encode() in path.read_bytes():
                yield int(path.parent.name)


def test_a_run_is_killed_between_placement_and_restart(host: Host, blocked: None, tmp_path: Path) -> None:
    before = used(host)
    renew(before, host)
    killed_at_the_restart(host, str(tmp_path))
    assert placed(host) not in before.values()
    assert used(host) == before


def test_the_next_run_restarts(host: Host) -> None:
    dry = play(NODE, "--limit", "se", "--check", "--diff")
    assert "restart of xrootd@https owed: it started at " in dry.output
    assert placed(host) not in used(host).values()
    settle(host)
