# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that no restart is lost. After any failure, services that owe a restart get it, in this run or the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.support import pki
from ansible_collections.grid.security.tests.support.systemd import Systemd

SERVICES = ["xrootd@clustered", {"name": "gridftp", "state": "reloaded"}]
BOTH = ["restart xrootd@clustered", "reload gridftp"]
EXECUTIONS = ["systemd_service", "systemd_service"]


class Node:
    """Hold a node with a host credential, a copy, a user, and two services that started before the first placement."""

    def __init__(self, site: Any, executed: Callable[[str], list[str]]) -> None:
        self._site, self._executed = site, executed
        self.root: Path = site.root / "node"
        self.systemd = Systemd(site.root / "systemd")
        for name in ("xrootd@clustered", "gridftp"):
            self.systemd.start(name)
        self.issue("host")
        self.issue("alice")
        self.output = ""

    def issue(self, name: str) -> None:
        """Write another archive with the same subject."""
        (self._site.root / f"{name}.p12").write_bytes(pki.issue(name).archive())

    def run(self, role: str = "node", *options: str, **variables: Any) -> list[str]:
        """Return the modules that a run executed on the node.

        :param role: its name, a name with the file of its tasks (``node:verify``), or ``site`` for the playbook.
        """
        common = {"passphrase": "import", "privatekey_passphrase": "store"}
        known = {
            "host_credential_src": str(self._site.root / "host.p12"),
            "host_credential_passphrase": "import",
            "host_credential_directory": str(self.root / "host"),
            "host_credential_copies": [{"directory": str(self.root / "copy")}],
            "host_credential_services": SERVICES,
            "user_credentials": [
                {"src": str(self._site.root / "alice.p12"), "directory": str(self.root / "alice"), **common}
            ],
        }
        name, _colon, tasks = role.partition(":")
        task = {"ansible.builtin.import_role": {"name": f"grid.security.{name}", "tasks_from": tasks or "main"}}
        variables = {**known, "ansible_become": False, **variables}
        play = {"import_playbook": "grid.security.site"} if role == "site" else {"tasks": [task]}
        play["vars"] = variables
        done = self._site.run_play(play, *options, **self.systemd.environment)
        self.output = done.stdout + done.stderr
        self.is_good = done.returncode == 0
        return self._executed(done.stdout)


@pytest.fixture(name="node")
def _node(site: Any, executed: Callable[[str], list[str]]) -> Node:
    return Node(site, executed)


@pytest.fixture(name="settled")
def _settled(node: Node) -> Node:
    """Converge the node, so that no service owes a restart."""
    node.run()
    assert node.is_good, node.output
    node.systemd.calls()
    return node


def test_services_take_up_what_was_placed_and_then_nothing_is_owed(node: Node) -> None:
    assert node.run("host_credential") == ["file_set", "file_set", *EXECUTIONS], node.output
    assert node.systemd.calls() == BOTH
    assert node.run("host_credential") == ["file_set"]
    assert "changed=0" in node.output
    node.issue("host")
    assert node.run() == ["file_set", "file_set", *EXECUTIONS]
    assert node.systemd.calls() == BOTH
    assert node.run() == ["file_set"]
    assert node.systemd.calls() == []


def test_crls_that_fail_and_crls_when_another_part_fails(settled: Node, site: Any) -> None:
    (site.root / "ca.pem").write_bytes(pki.issue("CA", authority=True).pem)
    settled.issue("host")
    unreachable = [{"src": str(site.root / "ca.pem"), "crl_urls": ["http://127.0.0.1:1/ca.crl"]}]
    crls = {"crl_updates_source": "controller", "crl_updates_sources": unreachable, "crl_updates_required": True}
    place = {"crl_updates_path": str(settled.root / "certificates"), "user_credentials": [{"src": "none.p12"}]}
    settled.run("site", **crls, **place)
    assert "CAs without a valid CRL in place" in settled.output, settled.output
    assert "none.p12" in settled.output
    assert "Not everything is up to date." in settled.output
    assert "failed=1 " in settled.output
    assert settled.systemd.calls() == BOTH


def test_another_user_s_wrong_passphrase_and_a_copy_for_an_account_that_is_not_there(settled: Node) -> None:
    settled.issue("host")
    wrong = {
        "src": "alice.p12",
        "directory": str(settled.root / "alice"),
        "passphrase": "x",
        "privatekey_passphrase": "x",
    }
    copies = [
        {"directory": str(settled.root / "copy"), "owner": "nobody-such"},
        {"directory": str(settled.root / "copy2")},
    ]
    settled.run(user_credentials=[wrong], host_credential_copies=copies)
    assert "the import passphrase is wrong" in settled.output
    assert "there is no account 'nobody-such'" in settled.output
    assert not settled.is_good
    assert (settled.root / "copy2/hostkey.pem").exists()
    assert settled.systemd.calls() == BOTH


def test_a_restart_that_fails_is_told_and_made_again(settled: Node) -> None:
    settled.issue("host")
    settled.systemd.set("xrootd@clustered", failures=2)
    settled.systemd.set("gridftp", failures=1)
    settled.run()
    assert "the restart of xrootd@clustered failed: Unable to restart service xrootd@clustered" in settled.output
    assert "the reload of gridftp failed" in settled.output
    assert settled.systemd.calls() == BOTH
    assert settled.run() == ["file_set", *EXECUTIONS]
    assert not settled.is_good
    assert settled.systemd.calls() == ["start xrootd@clustered", "reload gridftp"]  # Ansible starts a failed service
    assert settled.run() == ["file_set", "systemd_service"]
    assert settled.is_good
    assert settled.run() == ["file_set"]


def test_a_run_that_is_killed_between_placement_and_restart(settled: Node) -> None:
    settled.issue("host")
    settled.systemd.set("xrootd@clustered", kills=True)
    settled.run()
    assert not settled.is_good
    assert settled.systemd.calls() == BOTH[:1]
    assert settled.run("host_credential", "--check") == ["file_set"]
    assert "restart of xrootd@clustered owed: it started at" in settled.output
    assert settled.systemd.calls() == []
    assert settled.run() == ["file_set", *EXECUTIONS]
    assert settled.is_good
    assert settled.systemd.calls() == BOTH


def test_the_archive_is_damaged_when_a_restart_is_owed(settled: Node, site: Any) -> None:
    (settled.root / "host/hostcert.pem").touch()
    (site.root / "host.p12").write_bytes(b"rubbish")
    settled.run()
    assert "host.p12: it is no PKCS#12 archive" in settled.output
    assert settled.systemd.calls() == BOTH


def test_an_unknown_service_is_an_error_before_anything_is_changed(node: Node) -> None:
    node.run(host_credential_services=["xrootd@clustered", "grdiftp"])
    assert "there is no service 'grdiftp' on this node" in node.output
    assert not (node.root / "host").exists()
    assert (node.root / "alice/userkey.pem").exists()
    assert node.systemd.calls() == []


def test_check_mode_says_what_a_run_would_restart(settled: Node) -> None:
    settled.issue("host")
    assert settled.run("host_credential", "--check", "--diff") == ["file_set"]
    assert "restart of xrootd@clustered owed: its credential changed" in settled.output
    assert settled.systemd.calls() == []


def test_verify_fails_while_a_restart_is_owed(settled: Node) -> None:
    settled.run("host_credential:verify")
    assert settled.is_good, settled.output
    (settled.root / "copy/hostkey.pem").touch()
    settled.run("host_credential:verify")
    assert not settled.is_good
    assert "Not as it should be: restart of xrootd@clustered owed: it started at" in settled.output
    assert settled.systemd.calls() == []


def test_a_service_that_is_stopped_stays_so(settled: Node) -> None:
    settled.systemd.set("gridftp", ActiveState="inactive")
    settled.issue("host")
    settled.run()
    assert settled.systemd.calls() == BOTH[:1]


def test_credential_that_lies_on_the_node(node: Node, site: Any) -> None:
    source = {"host_credential_remote_src": True, "host_credential_src": str(site.root / "host.p12")}
    assert node.run("host_credential", **source) == ["pkcs12_pem", *EXECUTIONS], node.output
    assert node.systemd.calls() == BOTH
    assert node.run("host_credential", **source) == ["pkcs12_pem"]
    assert "changed=0" in node.output
