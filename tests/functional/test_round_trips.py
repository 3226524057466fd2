# SPDX-License-Identifier: GPL-3.0-or-later
"""How many modules a run executes on a node: counted by the files that ansible sends there."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.grid.security.tests.support import pki

MODULE = re.compile(r"PUT \S+ TO \S+AnsiballZ_(\w+)\.py")


def test_fifty_credentials_are_one_execution_when_nothing_changes(site: Any) -> None:
    items = []
    for number in range(50):
        (site.root / f"user{number}.p12").write_bytes(pki.issue(f"User {number}").archive())
        items.append({"src": f"user{number}.p12", "directory": str(site.root / f"home{number}")})
    common = {"passphrase": "import", "privatekey_passphrase": "store"}
    tasks = [{"grid.security.pkcs12_pem": {"credentials": items, **common}}]
    first, second = site.play(tasks), site.play(tasks)
    assert "changed=1" in first.stdout
    assert "changed=0" in second.stdout
    assert MODULE.findall(first.stdout) == ["file_set", "file_set"]
    assert MODULE.findall(second.stdout) == ["file_set"]
