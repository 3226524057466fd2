# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole node in one call, compared with the roles one by one."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.plugin_utils import node
from ansible_collections.grid.security.tests.support import pki

ROLES = [f"grid.security.{part.role}" for part in node.PARTS]


@pytest.fixture(name="variables")
def _variables(site: Any) -> dict[str, Any]:
    """What an inventory says of a node that wants everything, all of it below the site's directory."""
    authority = pki.issue("CA", authority=True)
    host = pki.issue("se.example.org", issuer=authority)
    (site.root / "ca.pem").write_bytes(authority.pem)
    (site.root / "host.p12").write_bytes(host.archive())
    users = []
    for name in ("alice", "bob"):
        (site.root / f"{name}.p12").write_bytes(pki.issue(name, issuer=authority).archive())
        passphrases = {"passphrase": "import", "privatekey_passphrase": "store"}
        home = str(site.root / "node" / name)
        users.append({"src": f"{name}.p12", "owner": getpass.getuser(), "directory": home, **passphrases})
    return {
        "trust_anchors_sources": [{"src": "ca.pem", "subjects": ["/DC=org/*"]}],
        "trust_anchors_path": str(site.root / "node/certificates"),
        "voms_client_vos": ["atlas"],
        "voms_client_vomses_path": str(site.root / "node/vomses"),
        "voms_client_vomsdir_path": str(site.root / "node/vomsdir"),
        "host_credential_src": "host.p12",
        "host_credential_passphrase": "import",
        "host_credential_dns_name": "{{ 'se' }}.example.org",
        "host_credential_directory": str(site.root / "node/host"),
        "user_credentials": users,
        "user_credentials_record": str(site.root / "records/users.json"),
        "grid_mapfile_path": str(site.root / "node/grid-mapfile"),
        "grid_mapfile_credentials": [],
        "grid_mapfile_entries": ["/DC=org/CN=Robot robot"],
    }


def listing(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(directory)): (path.lstat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in directory.rglob("*")
    }


def test_one_call_does_what_the_roles_do(
    site: Any, variables: dict[str, Any], executed: Callable[[str], list[str]]
) -> None:
    place = site.root / "node"
    place.mkdir()
    one_call = {"roles": ["grid.security.node"], "vars": variables}
    first = site.run_play(one_call)
    assert first.returncode == 0, first.stdout
    assert executed(first.stdout) == ["file_set", "file_set"]
    by_one_call = listing(place)
    assert len(by_one_call) > 12
    again = site.run_play(one_call)
    assert executed(again.stdout) == ["file_set"]
    assert "changed=0" in again.stdout
    by_roles = site.run_play({"roles": ROLES, "vars": variables})
    assert "changed=0" in by_roles.stdout, by_roles.stdout
    assert len(executed(by_roles.stdout)) == len(ROLES)
    place.rename(site.root / "before")
    place.mkdir()
    site.run_play({"roles": ROLES, "vars": variables})
    assert listing(place) == by_one_call


def test_only_what_variables_ask_for(site: Any, variables: dict[str, Any]) -> None:
    chosen = {name: value for name, value in variables.items() if not name.startswith(("trust", "user", "voms"))}
    output = site.run_play({"roles": ["grid.security.node"], "vars": chosen})
    assert {path.name for path in (site.root / "node").iterdir()} == {"host", "grid-mapfile"}, output.stdout
    output = site.run_play({"roles": ["grid.security.node"]})
    assert "nothing to do: none of trust_anchors_sources" in output.stderr


def test_a_part_that_fails_does_not_stop_the_others(site: Any, variables: dict[str, Any]) -> None:
    (site.root / "node").mkdir()
    output = site.run_play({"roles": ["grid.security.node"], "vars": {**variables, "host_credential_passphrase": "x"}})
    assert output.returncode != 0
    assert "host.p12: the import passphrase is wrong" in output.stdout
    assert {path.name for path in (site.root / "node").iterdir()} == {
        "certificates",
        "vomses",
        "vomsdir",
        "alice",
        "bob",
        "grid-mapfile",
    }


def test_files_lie_beside_the_inventory_if_the_playbook_is_the_collection_s(
    site: Any, variables: dict[str, Any]
) -> None:
    (site.root / "node").mkdir()
    (site.root / "files").mkdir()
    for name in ("ca.pem", "host.p12", "alice.p12", "bob.p12"):
        (site.root / name).rename(site.root / "files" / name)
    output = site.run_play({"import_playbook": "grid.security.site", "vars": {**variables, "ansible_become": False}})
    assert output.returncode == 0, output.stdout
    (site.root / "files/ca.pem").unlink()
    output = site.run_play({"import_playbook": "grid.security.site", "vars": {**variables, "ansible_become": False}})
    assert f"{site.root}/files/ca.pem" in output.stdout  # among the places where it was looked for
