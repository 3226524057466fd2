# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the modules that a run executes on a node."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from typing import Any

from ansible_collections.grid.security.tests.support import pki


def test_fifty_credentials_are_one_execution_when_nothing_changes(
    site: Any, executed: Callable[[str], list[str]]
) -> None:
    items = []
    for number in range(50):
        (site.root / f"user{number}.p12").write_bytes(pki.issue(f"User {number}").archive())
        items.append({"src": f"user{number}.p12", "directory": str(site.root / f"home{number}")})
    record = site.root / "records/users.json"
    common = {"passphrase": "import", "privatekey_passphrase": "store", "owner": getpass.getuser()}
    tasks = [{"grid.security.pkcs12_pem": {"credentials": items, "record": str(record), **common}}]
    first, second = site.play(tasks), site.play(tasks)
    assert "changed=1" in first.stdout
    assert "changed=0" in second.stdout
    assert executed(first.stdout) == ["file_set", "file_set"]
    assert executed(second.stdout) == ["file_set"]
    if os.geteuid() == 0:
        assert len(json.loads(record.read_text())["credentials"]) == 50
        record.write_text("damaged")
        assert "is no record of placed credentials" in site.play(tasks).stderr
        assert len(json.loads(record.read_text())["credentials"]) == 50


def test_vos_are_one_execution_when_nothing_changes(site: Any, executed: Callable[[str], list[str]]) -> None:
    paths = {"vomses_path": str(site.root / "vomses"), "vomsdir_path": str(site.root / "vomsdir")}
    (site.root / "vomses").mkdir()
    (site.root / "vomses/other").write_text('"other" "other.example.org" "15001" "/CN=other" "other"\n')
    tasks = [{"grid.security.voms_client": {"vos": ["alice", "atlas", "cms", "dteam", "lhcb"], **paths}}]
    first, second = site.play(tasks), site.play(tasks)
    assert executed(first.stdout) == ["file_set", "file_set"]
    assert executed(second.stdout) == ["file_set"]
    assert "changed=0" in second.stdout


def test_host_that_is_not_reached_is_unreachable(site: Any) -> None:
    task = {"grid.security.file_set": {"sets": [{"name": "none", "entries": []}]}}
    elsewhere = ["-e", "ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1"]
    output = site.play([task], *elsewhere)
    assert "unreachable=1 " in output.stdout
    assert "failed=0 " in output.stdout
