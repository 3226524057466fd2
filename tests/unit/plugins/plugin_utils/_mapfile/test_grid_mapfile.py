# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the grid-mapfile of a node: new mappings, and mappings that stay."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants as C

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.plugin_utils._action.templates import UNREADABLE
from ansible_collections.grid.security.plugins.plugin_utils._credential import subjects, task_options
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import grid_mapfile
from ansible_collections.grid.security.tests.support import pki

DN = "/DC=org/DC=example/CN="


class Site:
    """The archives of a controller, and a file on a node."""

    def __init__(self, root: Path) -> None:
        self.path = root / "grid-mapfile"
        self.archives: dict[str, bytes] = {}
        self.register = Register()
        self.calls = 0

    def credential(self, owner: str, subject: str = "", **options: Any) -> dict[str, Any]:
        """Return an item of ``credentials``. :param subject: the subject of its archive."""
        self.archives.setdefault(f"{owner}.p12", pki.issue(subject or owner.title()).archive())
        given = {"passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
        return {"owner": owner, "src": f"{owner}.p12", **given, **options}

    def action(self, register: Register, **fields: Any) -> Any:
        read = self.archives.__getitem__
        return SimpleNamespace(register=register, read=read, prepare=lambda: None, **fields)

    def run(self, *credentials: dict[str, Any], check: bool = False, **options: Any) -> dict[str, Any]:
        def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
            self.calls += 1
            return inspectors.converge(sets, contents, check, False)

        self.calls = 0
        action = self.action(self.register, check_mode=check)
        arguments = {"path": str(self.path), "credentials": list(credentials), **options}
        result: dict[str, Any] = exchange.run(grid_mapfile.place(action, arguments), send)
        return result

    @property
    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setattr(C, "ANSIBLE_HOME", str(tmp_path / "home"))
    return Site(tmp_path.resolve())


def test_credentials_come_before_entries_in_the_order_given(site: Site) -> None:
    alice, bob = site.credential("bob"), site.credential("alice")
    entries = [{"dn": f"{DN}Robot", "account": ["robot", "alice"]}, f'"{DN}*" .pool', f'"{DN}Alice" shift']
    result = site.run(alice, bob, entries=entries)
    assert result["changed"]
    assert site.lines == [f'"{DN}Bob" bob', f'"{DN}Alice" alice,shift', f'"{DN}Robot" robot,alice', f'"{DN}*" .pool']
    assert not site.run(alice, bob, entries=entries)["changed"]
    assert site.calls == 1


def test_who_cannot_be_read_keeps_what_is_in_place_and_leavers_go(site: Site) -> None:
    alice, bob, carol = map(site.credential, ("alice", "bob", "carol"))
    site.run(alice, bob, carol)
    result = site.run({**alice, "passphrase": "wrong"}, bob)
    assert result["failed"]
    assert site.lines == [f'"{DN}Alice" alice', f'"{DN}Bob" bob']
    assert [one["accounts"] for one in result["not_mapped"]] == [["alice"]]
    assert result["not_mapped"][0]["kept"] == [f"{DN}Alice"]
    again = site.run({**alice, "passphrase": "wrong"}, bob)
    assert (again["changed"], again["failed"]) == (False, True)


@pytest.mark.parametrize(
    "mistake",
    [{"passphras": "import"}, {"state": "presnt"}, {UNREADABLE: "vault_nosuch is undefined"}, {"src": None}],
)
def test_a_mistake_in_an_item_costs_only_its_owner(site: Site, mistake: dict[str, Any]) -> None:
    alice, bob = site.credential("alice"), site.credential("bob")
    site.run(alice, bob)
    site.path.write_text(site.path.read_text() + f'"{DN}Leaver" leaver\n')
    result = site.run({**alice, **mistake}, bob)
    assert site.lines == [f'"{DN}Alice" alice', f'"{DN}Bob" bob']
    assert "credentials[0] for alice" in result["msg"]


def test_who_was_never_mapped_is_not_mapped_by_a_mistake(site: Site) -> None:
    result = site.run(site.credential("alice"), {**site.credential("eve"), "passphrase": "wrong"})
    assert site.lines == [f'"{DN}Alice" alice']
    assert result["not_mapped"][0]["kept"] == []


def test_one_archive_under_two_names_maps_nobody_anew(site: Site) -> None:
    bob = site.credential("bob")
    site.run(bob)
    dave = site.credential("dave", "Bob")
    result = site.run(bob, dave)
    assert site.lines == [f'"{DN}Bob" bob']
    assert [(one["accounts"], one["error_code"]) for one in result["not_mapped"]] == [
        (["bob"], "shared_subject"),
        (["dave"], "shared_subject"),
    ]
    assert not site.run({**bob, "subject_dn": f"{DN}Bob"}, site.credential("alice")).get("failed")


def test_a_mapping_that_another_owner_proved_to_have_is_not_kept(site: Site) -> None:
    site.path.write_text(f'"{DN}Bob" bob,dave\n"{DN}Dave" dave\n')
    result = site.run(site.credential("bob"), site.credential("dave", passphrase="wrong"))
    assert site.lines == [f'"{DN}Bob" bob', f'"{DN}Dave" dave']
    assert result["failed"]


def test_what_was_refused_elsewhere_in_the_run_is_not_mapped(site: Site) -> None:
    alice = site.credential("alice")
    site.run(alice)
    site.archives["alice.p12"] = pki.issue("Mallory").archive()
    (options,) = task_options.read_options({"credentials": [alice]})
    outcome = subjects.identify(site.action(Register(), check_mode=False), [options])[options]
    site.register.refuse(options, outcome.facts)  # type: ignore[union-attr]
    result = site.run(alice)
    assert site.lines == [f'"{DN}Alice" alice']
    assert result["not_mapped"][0]["error_code"] == "refused"


def test_a_bad_entry_costs_only_itself(site: Site) -> None:
    site.run(entries=[f'"{DN}Robot" robot', f'"{DN}Other" other'])
    entries: list[Any] = [{"dn": "Robot", "account": "robot"}, f'"{DN}New" new', f'"{DN}Other other', {"dn": f"{DN}X"}]
    result = site.run(entries=entries)
    assert site.lines == [f'"{DN}Robot" robot', f'"{DN}New" new', f'"{DN}Other" other']
    assert len(result["not_mapped"]) == 3


@pytest.mark.parametrize("entry", ["", " ", "\t\n", None, [], {}, 5, {UNREADABLE: "x is undefined", "line": " "}])
def test_a_stray_entry_costs_only_itself(site: Site, entry: Any) -> None:
    result = site.run(entries=[f'"{DN}Robot" robot', entry])
    assert site.lines == [f'"{DN}Robot" robot']
    assert [one["error_code"] for one in result["not_mapped"]] == ["bad_mapping"]


def test_an_empty_file_is_refused(site: Site) -> None:
    site.run(site.credential("alice"))
    assert site.run()["error_code"] == "empty_mapfile"
    assert site.lines == [f'"{DN}Alice" alice']
    assert site.run(allow_empty=True)["changed"]
    assert site.lines == []


def test_check_mode_says_what_would_change(site: Site) -> None:
    assert site.run(site.credential("alice"), check=True)["changed"]
    assert not site.path.exists()


def test_a_file_that_cannot_be_read_is_not_replaced_while_somebody_fails(site: Site) -> None:
    site.path.write_text("-----BEGIN PRIVATE KEY-----\n")
    alice = site.credential("alice")
    result = site.run({**alice, "passphrase": "wrong"}, site.credential("bob"))
    assert result["error_code"] == "unreadable_mapfile"
    assert site.lines == ["-----BEGIN PRIVATE KEY-----"]


def test_a_line_that_cannot_be_filled_keeps_the_accounts_that_it_names(site: Site) -> None:
    site.run(entries=[f'"{DN}Alice" alice,shift', f'"{DN}Bob" bob', f'"{DN}Leaver" leaver'])
    unreadable = {UNREADABLE: "alice_dn is undefined", "line": '"{{ alice_dn }}" alice,shift'}
    result = site.run(entries=[unreadable, f'"{DN}Bob" bob'])
    assert site.lines == [f'"{DN}Alice" alice,shift', f'"{DN}Bob" bob']
    assert result["not_mapped"][0]["accounts"] == ["alice", "shift"]


@pytest.mark.parametrize("item", [{UNREADABLE: "x is undefined"}, {UNREADABLE: "x", "line": '"/CN=A" {{ account }}'}])
def test_who_it_is_for_cannot_be_read_so_everybody_stays(site: Site, item: dict[str, Any]) -> None:
    site.run(site.credential("alice"), entries=[f'"{DN}Bob" bob'])
    result = site.run(site.credential("alice"), entries=[item])
    assert site.lines == [f'"{DN}Alice" alice', f'"{DN}Bob" bob']
    assert "The present lines stay for bob" in result["msg"]
    result = site.run(site.credential("alice"), {UNREADABLE: "owner is undefined"})
    assert f'"{DN}Bob" bob' in site.lines
    assert "owner is undefined" in result["msg"]


def test_an_item_that_names_no_owner_keeps_nobody(site: Site) -> None:
    site.run(site.credential("alice"), entries=[f'"{DN}Leaver" leaver'])
    result = site.run(site.credential("alice"), {**site.credential("bob"), "owner": None})
    assert site.lines == [f'"{DN}Alice" alice']
    assert "an item without owner maps nobody" in result["msg"]


@pytest.mark.parametrize("item", [None, "alice", 5, []])
def test_a_stray_item_costs_only_itself(site: Site, item: Any) -> None:
    alice = site.credential("alice")
    site.run(alice)
    result = site.run(alice, item)
    assert site.lines == [f'"{DN}Alice" alice']
    assert "must be a dictionary" in result["msg"]


def test_it_waits_until_the_credentials_of_the_node_are_reviewed(site: Site) -> None:
    alice = site.credential("alice")
    action = site.action(site.register, check_mode=False)
    exchanged = grid_mapfile.place(action, {"path": str(site.path), "credentials": [alice]})
    site.register.unreviewed = 1
    (first,) = exchanged.request().sets
    outcomes = inspectors.converge([first], {}, False, False)
    assert exchanged.supply(outcomes).sets == []
    site.register.unreviewed = 0
    sent: list[dict[str, str]] = []

    def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        sent.append(contents)
        return inspectors.converge(sets, contents, False, False)

    assert exchanged.result([], send)["changed"]
    assert len(sent) == 1
    assert sent[0]
    assert site.lines == [f'"{DN}Alice" alice']
