# SPDX-License-Identifier: GPL-3.0-or-later
"""Test definitions of VOs, and the errors of unusable definitions."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._voms import known_vos, vos
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Server, Vo

SERVER = {"host": "voms.example.org", "port": 15001, "dn": "/DC=org/CN=voms", "ca_dn": "/DC=org/CN=CA"}


def vo(**changes: Any) -> dict[str, Any]:
    return {"name": "vo.example.org", "servers": [SERVER], **changes}


def test_definition() -> None:
    other = {**SERVER, "host": "voms2.example.org", "port": "15002", "alias": "second"}
    (defined,) = vos.define([vo(alias="example", servers=[SERVER, other])])
    assert defined.name == "vo.example.org"
    assert [(one.host, one.port, one.alias) for one in defined.servers] == [
        ("voms.example.org", 15001, "example"),
        ("voms2.example.org", 15002, "second"),
    ]


def test_alias_is_the_name_if_nothing_is_said() -> None:
    assert vos.define([vo()])[0].servers[0].alias == "vo.example.org"


def test_absent_needs_no_servers() -> None:
    assert vos.define([{"name": "old", "state": "absent"}, vo(state="absent")]) == [Vo("old", []), Vo(vo()["name"], [])]


def test_known_vos() -> None:
    defined = vos.define(known_vos.names())
    assert {"alice", "atlas", "cms", "dteam", "lhcb", "ops", "wlcg"} <= {one.name for one in defined}
    for one in defined:
        vos.check(one, "")
        for server in one.servers:
            vos.check_server(server, "")
    assert defined[1].vomses == (
        '"atlas" "voms-atlas-auth.cern.ch" "443" "/DC=ch/DC=cern/OU=computers/CN=atlas-auth.cern.ch" "atlas"\n'
    )
    assert known_vos.warnings(defined) == []


def test_each_known_vo_has_a_source_and_a_date() -> None:
    described = json.loads(known_vos._FILE.read_text())
    assert list(described) == sorted(described)
    for vo in described.values():
        assert set(vo) == {"servers", "source", "date"}
        assert re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+/(tree|blob)/[0-9a-f]{40}(/\S+)?", vo["source"])
        assert datetime.date.fromisoformat(vo["date"]) >= datetime.date(2025, 4, 1)


@pytest.mark.parametrize("page", ["plugins/modules/voms_client.py", "roles/voms_client/README.md"])
def test_pages_list_the_known_vos(page: str) -> None:
    text = (Path(__file__).parents[5] / page).read_text()
    (sentence,) = re.findall(r"knows the servers of ((?:V\(|`).*?[)`])\.\s", text, re.DOTALL)
    names = re.findall(r"[a-z][a-z.-]+[a-z]", sentence)
    assert [name for name in names if name != "and"] == known_vos.names()


DEAD = ("voms2.cern.ch", "lcg-voms2.cern.ch", "voms.hellasgrid.gr", "voms2.hellasgrid.gr", ".app.cern.ch")
EXPIRED = ("CN=GEANT eScience SSL CA 4", "CN=InCommon RSA IGTF Server CA 3", "CN=KEK GRID Certificate Authority")


def test_no_known_vo_has_a_server_that_stopped_working() -> None:
    for one in vos.define(known_vos.names()):
        for server in one.servers:
            assert not server.host.endswith(DEAD)
            assert not server.ca_dn.endswith(EXPIRED)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("ATLAS", "Similar names: atlas."),
        ("atls", "Similar names: atlas."),
        ("france-grilles.fr", "Similar names: vo.france-grilles.fr."),
        ("biomed", "Known names: alice, atlas, cms, "),
    ],
)
def test_a_name_that_is_not_known(name: str, names: str) -> None:
    with pytest.raises(GridSecurityError) as refused:
        vos.define([name])
    said = refused.value.message
    assert said.startswith(f"vos[0]: {name!r} is none of the VOs that this collection knows. {names}")
    assert f"give its servers: {{name: {name}, servers: [{{host: voms.example.org, port: 15000, " in said


def test_dead_servers_are_warned_about() -> None:
    dead = vos.define([vo(servers=[{**SERVER, "host": "voms-atlas-auth.app.cern.ch"}])])
    (warning,) = known_vos.warnings(dead)
    assert "vo.example.org: its server voms-atlas-auth.app.cern.ch does not work" in warning
    assert "voms-VO-auth.cern.ch" in warning


@pytest.mark.parametrize(
    "name", ["", "../atlas", "a/b", ".hidden", "two words", 'quo"te', "-x", "line\nbreak", "ätlas"]
)
def test_names_that_could_be_no_files(name: str) -> None:
    with pytest.raises(GridSecurityError, match="is no name of a VO"):
        vos.define([vo(name=name)])


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"host": "voms.example.org:15001"}, "is no host name"),
    ({"host": "https://voms.example.org"}, "is no host name"),
    ({"host": "voms.example.org "}, "is no host name"),
    ({"host": "../voms"}, "is no host name"),
    ({"host": "192.0.2.1"}, "is no host name"),
    ({"host": "2001:db8::1"}, "is no host name"),
    ({"host": "voms.example.org\n"}, "is no host name"),
    ({"port": 0}, "is no port"),
    ({"port": 65536}, "is no port"),
    ({"alias": "my vo"}, "is no alias"),
    ({"alias": "vo:/group"}, "is no alias"),
    ({"dn": "O=Example,CN=voms"}, "does not show whether its most general part stands first"),
    ({"dn": "DC=org/CN=voms"}, "does not start with a slash. Write the DN as"),
    ({"dn": '/DC=org/CN="voms"'}, "no quotes"),
    ({"dn": "/DC=org/CN=voms\n"}, "no quotes, line breaks"),
    ({"dn": "/DC=org/CN=voms "}, "space at the end"),
    ({"dn": "/DC=org/CN=vöms"}, r"\\xNN"),
    ({"dn": "/voms"}, "is no OpenSSL one-line DN"),
    ({"ca_dn": ""}, "ca_dn: '' is no DN"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED)
def test_servers_that_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(GridSecurityError, match=message) as refused:
        vos.define(["atlas", vo(servers=[{**SERVER, "host": "other.example.org"}, {**SERVER, **changes}])])
    assert refused.value.error_code == "bad_vo"
    assert refused.value.message.startswith("vos[1] (vo.example.org): servers[1]: ")


FORMS = [
    r"/DC=org/O=Example, Inc./CN=host\/voms.example.org",
    r"CN=host/voms.example.org, O=Example\, Inc., DC=org",
    r"CN=host/voms.example.org,O=Example\, Inc.,DC=org",
    'DC = org, O = "Example, Inc.", CN = host/voms.example.org',
]


@pytest.mark.parametrize("name", ["dn", "ca_dn"])
@pytest.mark.parametrize("written", FORMS)
def test_dns_in_other_forms(name: str, written: str) -> None:
    (found,) = vos.define([vo(servers=[{**SERVER, name: written}])])
    assert getattr(found.servers[0], name) == "/DC=org/O=Example, Inc./CN=host/voms.example.org"


@pytest.mark.parametrize("host", ["localhost", "se", "voms-1.example.org", "3com.example.org"])
def test_host_names(host: str) -> None:
    vos.check_server(Server(host, 1, "/CN=a", "/CN=b", "x"), "")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["atlas", "atlas"], r"vos\[1\]: atlas is defined twice"),
        ([vo(), vo(state="absent")], "is defined twice"),
        ([vo(servers=[])], "has no servers"),
        ([{"name": "atlas"}], "write just atlas"),
        ([vo(servers=[SERVER, {**SERVER, "host": "VOMS.example.org"}])], "VOMS.example.org is given twice"),
    ],
)
def test_lists_that_are_refused(given: list[Any], message: str) -> None:
    with pytest.raises(GridSecurityError, match=message):
        vos.define(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([7], r"vos\[0\]: it must be a name or a dictionary"),
        ([{"servers": []}], r"vos\[0\]: .*name"),
        ([vo(stat="absent")], r"vos\[0\] \(vo.example.org\): .*stat"),
        ([vo(servers=[{"host": "h", "dn": "/CN=a", "ca_dn": "/CN=b"}])], r"servers\[0\]: .*port"),
        ([vo(servers=[{**SERVER, "port": "https"}])], r"servers\[0\]: .*port"),
    ],
)
def test_wrong_options(given: list[Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        vos.define(given)
