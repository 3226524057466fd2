# SPDX-License-Identifier: GPL-3.0-or-later
"""Converge a whole node in one call, and compare with the separate roles."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._node import node
from ansible_collections.grid.security.tests.support import pki

AUTHORITY = pki.issue("CA", authority=True)
ROLES = [f"grid.security.{part.role}" for part in node.PARTS]


@pytest.fixture(name="variables")
def _variables(site: Any) -> dict[str, Any]:
    """Return the variables of a node with all parts, all below the site's directory."""
    host = pki.issue("se.example.org", issuer=AUTHORITY)
    (site.root / "ca.pem").write_bytes(AUTHORITY.pem)
    (site.root / "host.p12").write_bytes(host.archive())
    users = []
    for name in ("alice", "bob"):
        (site.root / f"{name}.p12").write_bytes(pki.issue(name, issuer=AUTHORITY).archive())
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


def test_variables_may_stand_beside_the_role(site: Any, variables: dict[str, Any]) -> None:
    """Ansible refuses such variables if the role has an argument specification without them."""
    mapfile = {name: value for name, value in variables.items() if name.startswith("grid_mapfile")}
    output = site.run_play({"roles": [{"role": "grid.security.node", **mapfile}]})
    assert output.returncode == 0, output.stdout
    assert (site.root / "node/grid-mapfile").exists()


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
    assert f"ca.pem was not found on the controller in {site.root}/files, " in output.stdout, output.stdout


# --- a site's day -----------------------------------------------------------------------------------------------------

DN = "/DC=org/DC=example/CN="
OWNERS = ("daemon", "bin", "games", "mail")  # accounts of every Debian system


@pytest.fixture(name="day")
def _day(site: Any, variables: dict[str, Any]) -> dict[str, Any]:
    """Make a node after a first run, with credentials and mappings of four owners."""
    if os.geteuid() != 0:
        pytest.skip("only root places files for other accounts")
    site.root.chmod(0o755)
    (site.root / "node").mkdir(mode=0o755)
    users = []
    for name in OWNERS:
        (site.root / f"{name}.p12").write_bytes(pki.issue(name, issuer=AUTHORITY).archive())
        options = {"passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
        users.append({"owner": name, "src": f"{name}.p12", "directory": str(site.root / "node" / name), **options})
    del variables["grid_mapfile_credentials"]
    day = {**variables, "user_credentials": users, "grid_mapfile_entries": []}
    output = run_day(site, day)
    assert output.returncode == 0, output.stdout
    return day


def run_day(site: Any, day: dict[str, Any]) -> Any:
    return site.run_play({"roles": ["grid.security.node"], "vars": day})


def mapped(site: Any) -> list[str]:
    return [line.rpartition(" ")[2] for line in (site.root / "node/grid-mapfile").read_text().splitlines()]


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ({"passphrase": "{{ vault_nosuch }}"}, "'vault_nosuch' is undefined"),
        ({"passphras": "import"}, "passphras"),
        ({"passphrase": "wrong"}, "the import passphrase is wrong"),
        ({"src": "nosuch.p12"}, "nosuch.p12"),
    ],
)
def test_one_user_s_mistake_is_that_user_s(site: Any, day: dict[str, Any], mistake: dict[str, str], said: str) -> None:
    daemon, binary, _games, mail = day["user_credentials"]
    (site.root / "mail.p12").write_bytes(pki.issue("mail", days=200, issuer=AUTHORITY).archive())
    (site.root / "host.p12").write_bytes(pki.issue("se.example.org", days=200, issuer=AUTHORITY).archive())
    users = [{**daemon, **mistake}, {"owner": "bin", "directory": binary["directory"], "state": "absent"}, mail]
    before = (site.root / "node/host/hostcert.pem").read_bytes()
    output = run_day(site, {**day, "user_credentials": users})
    assert output.returncode != 0
    assert said in output.stdout
    assert "1 of 3 credentials failed" in output.stdout
    assert mapped(site) == ["daemon", "mail"]  # the list no longer has games
    assert not (site.root / "node/bin/usercert.pem").exists()
    assert (site.root / "node/host/hostcert.pem").read_bytes() != before
    assert (site.root / "node/daemon/usercert.pem").exists()
    again = run_day(site, {**day, "user_credentials": users})
    assert "changed=0" in again.stdout


def test_a_part_whose_variables_cannot_be_filled_costs_only_itself(site: Any, day: dict[str, Any]) -> None:
    (site.root / "host.p12").write_bytes(pki.issue("se.example.org", days=200, issuer=AUTHORITY).archive())
    before = (site.root / "node/host/hostcert.pem").read_bytes()
    output = run_day(
        site, {**day, "trust_anchors_path": "{{ nosuch }}", "voms_client_vos": ["atlas", "nosuch-vo", "cms"]}
    )
    assert output.returncode != 0
    assert "trust_anchors: " in output.stdout
    assert "voms_client: 1 VO is defined wrongly" in output.stdout
    assert "'nosuch-vo' is none of the VOs" in output.stdout
    assert (site.root / "node/vomses/cms").exists()
    assert (site.root / "node/host/hostcert.pem").read_bytes() != before


def listed_vos(site: Any) -> list[str]:
    return sorted(path.name for path in (site.root / "node/vomses").iterdir())


def test_vos_that_left_the_list_are_purged(site: Any, variables: dict[str, Any]) -> None:
    vos = {"voms_client_vos": ["atlas", "cms", "lhcb"]}
    run_day(site, {**variables, **vos})
    purge = {**variables, "voms_client_vos": ["atlas", "cms"], "voms_client_purge": True}
    assert "voms_client: lhcb (no source names it any more)" in verify(site, purge)
    checked = site.run_play({"roles": ["grid.security.node"], "vars": purge}, "--check", "--diff")
    assert "vomses/lhcb: unwanted" in checked.stdout
    assert listed_vos(site) == ["atlas", "cms", "lhcb"]
    assert "changed=1" in run_day(site, purge).stdout
    assert listed_vos(site) == ["atlas", "cms"]
    assert "failed=0" in verify(site, purge)
    refused = run_day(site, {**purge, "voms_client_vos": []})
    assert "set voms_client_allow_shrink: true" in refused.stdout
    assert listed_vos(site) == ["atlas", "cms"]
    run_day(site, {**purge, "voms_client_vos": [], "voms_client_allow_shrink": True})
    assert listed_vos(site) == []


@pytest.mark.parametrize("unreadable", ["servers", "name"])
def test_a_vo_that_cannot_be_filled_is_not_purged(site: Any, variables: dict[str, Any], unreadable: str) -> None:
    run_day(site, {**variables, "voms_client_vos": ["atlas", "cms", "lhcb"]})
    (site.root / "node/vomses/atlas").unlink()
    wrong = {**{"name": "lhcb", "servers": []}, unreadable: "{{ nosuch }}"}
    output = run_day(site, {**variables, "voms_client_vos": ["atlas", wrong], "voms_client_purge": True})
    assert output.returncode != 0
    assert "voms_client: 1 VO is defined wrongly" in output.stdout
    assert "'nosuch' is undefined" in output.stdout
    assert listed_vos(site) == (["atlas", "lhcb"] if unreadable == "servers" else ["atlas", "cms", "lhcb"])


def test_a_purge_variable_that_cannot_be_filled_costs_only_its_part(site: Any, variables: dict[str, Any]) -> None:
    output = run_day(site, {**variables, "user_credentials_purge": "{{ nosuch }}"})
    assert "user_credentials: " in output.stdout
    assert "'nosuch' is undefined" in output.stdout
    assert (site.root / "node/grid-mapfile").exists()
    assert (site.root / "node/host/hostcert.pem").exists()


def test_what_the_node_refuses_to_place_is_not_mapped(site: Any, day: dict[str, Any]) -> None:
    (site.root / "daemon.p12").write_bytes(pki.issue("Mallory", issuer=AUTHORITY).archive())
    output = run_day(site, day)
    assert output.returncode != 0
    assert "is for /DC=org/DC=example/CN=Mallory, but the certificate in place is for" in output.stdout
    assert f'"{DN}daemon" daemon\n' in (site.root / "node/grid-mapfile").read_text()
    assert "Mallory" not in (site.root / "node/grid-mapfile").read_text()


def test_bob_s_archive_under_dave_s_name_is_placed_for_nobody(site: Any, day: dict[str, Any]) -> None:
    (site.root / "uucp.p12").write_bytes((site.root / "mail.p12").read_bytes())
    stranger = {**day["user_credentials"][3], "owner": "uucp", "src": "uucp.p12"}
    stranger["directory"] = str(site.root / "node/uucp")
    output = run_day(site, {**day, "user_credentials": [*day["user_credentials"], stranger]})
    assert "uucp and mail would have the same subject" in output.stdout
    assert not (site.root / "node/uucp").exists()
    assert mapped(site) == list(OWNERS)


# --- verify -----------------------------------------------------------------------------------------------------------


def verify(site: Any, day: dict[str, Any], **variables: Any) -> str:
    """Return the output of the role's verify. It must change nothing."""
    before = listing(site.root / "node")
    role = {"name": "grid.security.node", "tasks_from": "verify"}
    output = site.run_play({"tasks": [{"ansible.builtin.include_role": role}], "vars": {**day, **variables}})
    assert listing(site.root / "node") == before
    assert (output.returncode != 0) is ("The node is not as its variables say" in output.stdout), output.stdout
    return str(output.stdout)


def test_verify_finds_nothing_after_a_run(site: Any, day: dict[str, Any]) -> None:
    assert "failed=0" in verify(site, day)


def test_verify_says_who_which_file_and_which_date(site: Any, day: dict[str, Any]) -> None:
    node = site.root / "node"
    (node / "mail/userkey.pem").chmod(0o644)
    (node / "bin/usercert.pem").unlink()
    (node / "host/hostcert.pem").write_text("damaged")
    (node / "vomses/atlas").unlink()
    (node / "certificates/ca.info").write_text("unwanted")
    (node / "grid-mapfile").write_text((node / "grid-mapfile").read_text().replace("games", "gamer"))
    days = {"user_credentials_verify_days_left": 400, "host_credential_verify_days_left": 401}
    said = verify(site, day, **days)
    until = (pki.NOW + 99 * pki.DAY).strftime("%Y-%m-%d")
    for part in (
        f"mail: {node}/mail/userkey.pem: mode 0644 → 0600",
        f"bin: {node}/bin/usercert.pem: ",
        f"{node}/host/hostcert.pem: ",
        f"daemon: {node}/daemon/usercert.pem: valid until {until}, for 98 days, and 400 are wanted",
        f"{node}/host/hostcert.pem: valid until {until}, for 98 days, and 401 are wanted",
        "voms_client: atlas (",
        "trust_anchors: differing: ca.info",
        f'grid_mapfile: missing: "{DN}games" games; unwanted: "{DN}gamer" gamer',
    ):
        assert part in said.replace('\\"', '"'), said
    assert "games/usercert.pem: mode" not in said


def test_verify_finds_what_the_node_s_crls_revoke(site: Any, day: dict[str, Any]) -> None:
    mail = pki.issue("mail", issuer=AUTHORITY)
    (site.root / "mail.p12").write_bytes(mail.archive())
    run_day(site, day)
    crl = site.root / "node/certificates/12345678.r0"
    crl.write_bytes(pki.revoke(AUTHORITY, [mail.certificate.serial_number]))
    said = verify(site, day)
    assert f"mail: {site.root}/node/mail/usercert.pem: {DN}mail was revoked on" in said
    assert str(crl) in said


def test_verify_looks_at_crls_where_the_site_fetches_them(site: Any, day: dict[str, Any]) -> None:
    (site.root / "node/certificates/ca.crl_url").write_text("http://crl.example.org/ca.crl\n")
    day["trust_anchors_sources"][0]["crl_urls"] = ["http://crl.example.org/ca.crl"]
    assert "CRL of ca: missing: no file" in verify(site, day, crl_updates_source="controller")
    exceptions = {"crl_updates_exclude": [{"alias": "ca", "reason": "it gave up publishing"}]}
    assert "failed=0" in verify(site, day, crl_updates_source="controller", **exceptions)
    assert "failed=0" in verify(site, day)


def test_verify_tells_all_users_although_one_fails(site: Any, day: dict[str, Any]) -> None:
    daemon, *others = day["user_credentials"]
    day["user_credentials"] = [{**daemon, "passphrase": "wrong"}, *others]
    (site.root / "node/bin/userkey.pem").unlink()
    said = verify(site, day, user_credentials_verify_days_left=400)
    assert "daemon.p12 for daemon: the import passphrase is wrong" in said
    assert f"bin: {site.root}/node/bin/userkey.pem: private key missing" in said
    assert f"mail: {site.root}/node/mail/usercert.pem: valid until" in said


def test_verify_tells_a_wrong_number_of_days_and_all_else(site: Any, day: dict[str, Any]) -> None:
    (site.root / "node/bin/userkey.pem").unlink()
    said = verify(site, day, user_credentials_verify_days_left="soon", crl_updates_exclude="{{ nosuch }}")
    assert "user_credentials_verify_days_left: 'soon' is no number of days" in said
    assert "private key missing" in said
    assert "'nosuch' is undefined" in said


@pytest.mark.parametrize("reason", ["remote_src", "create_account"])
def test_what_is_refused_late_is_not_mapped_either(site: Any, day: dict[str, Any], reason: str) -> None:
    """Use archives on the node and new accounts, whose credentials are refused later in the run."""
    (site.root / "daemon.p12").write_bytes(pki.issue("Mallory", issuer=AUTHORITY).archive())
    other = {**day["user_credentials"][3], "owner": "uucp", "directory": str(site.root / "node/uucp")}
    if reason == "remote_src":
        other.update(src=str(site.root / "nosuch.p12"), remote_src=True)
    else:
        other.update(owner="no-such.account!", create_account=True)
    output = run_day(site, {**day, "user_credentials": [*day["user_credentials"], other]})
    assert "Mallory, but the certificate in place is for" in output.stdout
    assert "Mallory" not in (site.root / "node/grid-mapfile").read_text()
    assert mapped(site) == list(OWNERS)


def test_the_last_user_is_purged_where_the_site_says_so(site: Any, day: dict[str, Any]) -> None:
    record = {"user_credentials_record": str(site.root / "node/record.json"), "user_credentials_purge": True}
    run_day(site, {**day, **record})
    gone = {**day, **record, "user_credentials": [], "user_credentials_allow_shrink": True, "grid_mapfile_path": ""}
    output = run_day(site, gone)
    assert output.returncode == 0, output.stdout
    assert not (site.root / "node/mail/usercert.pem").exists()
