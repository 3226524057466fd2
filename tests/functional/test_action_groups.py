# SPDX-License-Identifier: GPL-3.0-or-later
"""Defaults of the collection's action groups, as ansible resolves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.grid.security.plugins.plugin_utils._node import node
from ansible_collections.grid.security.tests.support import pki

COLLECTION = Path(node.__file__).parents[3]
OTHER = pki.issue("Other CA", authority=True)


def play(site: Any, group: str, defaults: dict[str, Any], task: dict[str, Any]) -> Any:
    return site.run_play({"module_defaults": {f"group/grid.security.{group}": defaults}, "tasks": [task]})


def test_a_default_of_the_credentials_group_reaches_both_modules(site: Any) -> None:
    (site.root / "ca.pem").write_bytes(OTHER.pem)
    (site.root / "alice.p12").write_bytes(pki.issue("alice").archive())
    credential = {"src": "alice.p12", "passphrase": "import", "encrypt_privatekey": False}
    place = {"grid.security.pkcs12_pem": {**credential, "directory": str(site.root / "home")}}
    mapping = {"path": str(site.root / "grid-mapfile"), "credentials": [{**credential, "owner": "alice"}]}
    for task in (place, {"grid.security.grid_mapfile": mapping}):
        refused = play(site, "credentials", {"trust_anchors": ["ca.pem"]}, task)
        assert refused.returncode != 0
        assert "is not trusted: " in refused.stdout, refused.stdout
        accepted = play(site, "credentials", {"trust_anchors": ["ca.pem"], "check_chain": False}, task)
        assert accepted.returncode == 0, accepted.stdout


def test_a_default_of_the_cas_group_reaches_both_modules(site: Any) -> None:
    (site.root / "ca.pem").write_bytes(OTHER.pem)
    defaults = {"sources": ["ca.pem"], "path": str(site.root / "certificates")}
    for module in ("trust_anchors", "crls"):
        done = play(site, "cas", defaults, {f"grid.security.{module}": {}})
        assert done.returncode == 0, done.stdout
    assert list((site.root / "certificates").glob("*.pem"))


@pytest.mark.parametrize("group", ["cas", "credentials"])
def test_the_modules_of_a_group_exist(group: str) -> None:
    groups = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())["action_groups"]
    assert all((COLLECTION / f"plugins/modules/{module}.py").exists() for module in groups[group])
