# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the record of placed credentials, and the removal of credentials. All homes belong to the user of the test."""

from __future__ import annotations

import getpass
import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._credential.converter import (
    Conversion,
    Conversions,
    Converter,
    Source,
)
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange, Results
from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register
from ansible_collections.grid.security.plugins.module_utils._credential.options import LIST_OPTIONS, CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.plugins.plugin_utils._credential import (
    credential_report,
    credentials,
    placed_record,
)
from ansible_collections.grid.security.plugins.plugin_utils._credential.purge import RecordedExchange
from ansible_collections.grid.security.tests.support import conversions, pki

LIST_DEFAULTS = {name: spec["default"] for name, spec in LIST_OPTIONS.items()}


OWNERS = ("alice", "bob", "carol", "dave")
CREDENTIALS = {owner: [pki.issue(owner).archive() for _number in range(2)] for owner in OWNERS}


class Killed(BaseException):
    """The run ends here."""


class Remembering(Converter):
    """A converter that opens each archive once for all tests."""

    _opened: ClassVar[dict[tuple[Any, ...], Conversion | GridSecurityError]] = {}

    def conversions(self, sources: Collection[Source]) -> Conversions:
        return {source: self._conversion(source) for source in sources}

    def _conversion(self, source: Source) -> Conversion | GridSecurityError:
        key = (source.data, source.options.passphrase)
        if key not in self._opened:
            (self._opened[key],) = super().conversions([source]).values()
        return self._opened[key]


class There(CredentialExchange):
    """An exchange whose archives are on the node, where a module converts them."""

    def __init__(self, options: list[CredentialOptions], convert: Any) -> None:
        super().__init__([], lambda _options: pytest.fail("is not here"), Converter(), check=False)
        self._on_node, self._convert_there = options, convert

    def result(self, outcomes: exchange.Outcomes, send: exchange.Send) -> Results:
        return {**super().result(outcomes, send), **{one: self._convert_there(one) for one in self._on_node}}


class Node:
    """Homes below one directory, and a record. It counts its calls.

    :param most: sets after which a run is killed.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.record = root, root / "state/record.json"
        self.calls = 0
        self.most: int | None = None
        self.gone: set[str] = set()
        self.archives: dict[str, bytes] = {}
        self.on_send: Any = None

    def issue(self, *owners: str) -> None:
        """Give each owner an archive. The second call gives the other archive of the owner."""
        for owner in owners:
            following = {CREDENTIALS[owner][0]: CREDENTIALS[owner][1]}
            self.archives[owner] = following.get(self.archives.get(owner, b""), CREDENTIALS[owner][0])

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str], check: bool) -> list[dict[str, Any]]:
        self.calls += 1
        return [self._one(one, contents, check) for one in sets]

    def _one(self, one: dict[str, Any], contents: dict[str, str], check: bool) -> dict[str, Any]:
        if self.most is not None:
            if self.most == 0:
                raise Killed
            self.most -= 1
        if self.on_send:
            self.on_send(one)
        owner = "no-such-account" if one["owner"] in self.gone else None
        own = {digest: text for digest, text in contents.items() if digest in {e.get("sha256") for e in one["entries"]}}
        return inspectors.converge([{**one, "owner": owner}], own, check, False)[0]

    def home(self, owner: str) -> Path:
        return self.root / owner

    def names(self, owner: str) -> list[str]:
        return sorted(path.name for path in self.home(owner).glob("*"))

    def item(self, owner: str | None, **changes: Any) -> CredentialOptions:
        own = {"src": f"{owner}.p12", "passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
        return conversions.options(**{**own, "owner": owner, "directory": str(self.root / str(owner)), **changes})

    def source(self, options: CredentialOptions) -> Source:
        return Source(options, self.archives[options.owner or "alice"])

    def run(self, *owners: str, items: list[CredentialOptions] | None = None, check: bool = False, **given: Any) -> Any:
        """Run a task with a list of credentials, and return its result."""
        listed = [*map(self.item, owners), *(items or [])]
        placing = CredentialExchange(listed, self.source, Remembering(), check)
        return self.finish(placing, listed, check, **given)

    def finish(self, placing: CredentialExchange, listed: list[CredentialOptions], check: bool, **given: Any) -> Any:
        self.calls = 0

        def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
            return self.send(sets, contents, check)

        arguments = {**LIST_DEFAULTS, "record": str(self.record), **given}
        recorded = RecordedExchange(placing, listed, arguments, check) if arguments["record"] else None
        found = exchange.run(recorded or placing, send)
        results = [found[one] for one in listed]
        for one in results:
            one.pop("warnings", None)  # of too few iterations, which make the tests quick
        combined = credential_report.combine(results, True, True)
        return recorded.add_to(combined, True) if recorded else combined

    def recorded(self) -> dict[str, list[str]]:
        """Return the recorded fingerprints of all credentials by owner."""
        known: dict[str, list[str]] = {}
        for placement, fingerprints in placed_record.decode(self.record.read_bytes()).items():
            known.setdefault(placement.owner, []).extend(fingerprints)
        return known


@pytest.fixture(name="node")
def _node(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path.resolve())
    node.issue("alice", "bob", "carol")
    yield node


PURGE = {"purge": True}


# --- the record -------------------------------------------------------------------------------------------------------


def test_record_is_written_once_and_costs_no_call(node: Node) -> None:
    assert node.run("alice", "bob")["changed"]
    assert node.calls == 2
    assert sorted(node.recorded()) == ["alice", "bob"]
    assert (node.record.stat().st_mode & 0o777, node.record.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    before = node.record.stat().st_mtime_ns
    result = node.run("alice", "bob")
    assert (result["changed"], result["purged"], node.calls) == (False, [], 1)
    assert node.record.stat().st_mtime_ns == before


def test_record_of_credentials_that_an_earlier_version_placed(node: Node) -> None:
    node.run("alice", record="")
    assert not node.record.exists()
    assert not node.run("alice")["changed"]
    assert list(node.recorded()) == ["alice"]
    node.run("alice")
    assert node.calls == 1


def test_renewal_is_two_calls_and_leaves_one_fingerprint(node: Node) -> None:
    node.run("alice", "bob")
    before = node.recorded()
    node.issue("alice")
    node.run("alice", "bob")
    assert node.calls == 2
    assert [len(one) for one in node.recorded().values()] == [1, 1]
    assert node.recorded()["alice"] != before["alice"]
    node.run("alice", "bob")
    assert node.calls == 1


def test_empty_list_on_a_fresh_node_leaves_nothing(node: Node) -> None:
    assert not node.run(purge=True)["changed"]
    assert not node.record.exists()
    assert node.calls == 1


def test_without_a_record_nothing_is_asked(node: Node) -> None:
    assert "purged" not in node.run("alice", record="")
    assert [path.name for path in node.root.iterdir()] == ["alice"]


def test_absent_is_taken_off_the_record(node: Node) -> None:
    node.run("alice", "bob")
    node.run("alice", items=[node.item("bob", state="absent", src=None)])
    assert list(node.recorded()) == ["alice"]
    assert node.names("bob") == []


def test_record_says_nothing_of_items_without_owner(node: Node) -> None:
    node.run(items=[node.item(None)])
    assert not node.record.exists()


def test_check_mode_writes_nothing(node: Node) -> None:
    node.run("alice", check=True)
    assert list(node.root.iterdir()) == []


# --- users who leave --------------------------------------------------------------------------------------------------


def test_who_leaves_is_removed_and_told(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    (node.home("carol") / "own").write_bytes(b"own")
    (node.home("carol") / "userkey.pem").write_bytes(b"a key with another passphrase")
    result = node.run("alice", "bob", check=True, **PURGE)
    files = [str(node.home("carol") / name) for name in ("userkey.pem", "usercert.pem")]
    assert result["purged"] == [{"owner": "carol", "paths": files}]
    assert result["summary"] == ["2 credentials, none changed", "no longer in the list and not yet removed: carol"]
    assert result["diff"][-1] == {"prepared": f"carol: no longer in the list, still has {', '.join(files)}\n"}
    assert len(node.names("carol")) == 3
    result = node.run("alice", "bob", **PURGE)
    assert result["changed"]
    assert result["purged"] == [{"owner": "carol", "paths": files}]
    assert result["summary"][-1] == "no longer in the list and removed: carol"
    assert result["diff"][-1] == {"prepared": f"carol: no longer in the list, {', '.join(files)} removed\n"}
    assert node.names("carol") == ["own"]
    assert list(node.recorded()) == ["alice", "bob"]
    assert not node.run("alice", "bob", **PURGE)["changed"]
    assert node.calls == 1


def test_who_leaves_stays_on_record_until_purge_is_asked_for(node: Node) -> None:
    node.run("alice", "bob", "carol")
    assert not node.run("alice", "bob")["changed"]
    assert node.calls == 1
    assert sorted(node.recorded()) == ["alice", "bob", "carol"]
    assert node.run("alice", "bob", **PURGE)["purged"][0]["owner"] == "carol"


def test_certificate_that_a_user_placed_is_left(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    (node.home("carol") / "usercert.pem").write_bytes(pki.issue("carol").pem)
    result = node.run("alice", "bob", **PURGE)
    assert (result["changed"], result["purged"]) == (False, [])
    assert "carol left the list, and has another certificate" in result["warnings"][0]
    assert len(node.names("carol")) == 2
    assert node.run("alice", "bob", **PURGE)["warnings"] == []
    assert node.calls == 1


def test_account_that_is_gone_is_forgotten(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    node.gone = {"carol"}
    assert not node.run("alice", "bob", **PURGE)["changed"]
    assert sorted(node.recorded()) == ["alice", "bob"]


def test_nobody_is_forgotten_by_a_node_without_its_directory_service(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    node.gone = {"bob", "carol"}
    result = node.run("alice", "bob", **PURGE)
    assert [one["error_code"] for one in result["credentials"] if one.get("failed")] == ["no_account"]
    node.gone = set()
    assert node.run("alice", "bob", **PURGE)["purged"][0]["owner"] == "carol"


def test_all_credentials_of_who_leaves_go(node: Node) -> None:
    robot = node.item("carol", directory=str(node.root / "robot"), other_certs_path="chain.pem", cert_path="cert.pem")
    node.run("alice", "bob", "carol", items=[robot], **PURGE)
    assert (node.root / "robot/chain.pem").exists()
    assert len(node.run("alice", "bob", **PURGE)["purged"]) == 2
    assert [*node.names("carol"), *node.names("robot")] == []


def test_other_place_of_who_stays_is_left_until_they_leave(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    moved = node.item("carol", directory=str(node.root / "elsewhere"))
    assert node.run("alice", "bob", items=[moved], **PURGE)["purged"] == []
    assert len(node.names("carol")) == 2
    assert len(node.run("alice", "bob", **PURGE)["purged"]) == 2


def test_files_that_another_owner_took_over_stay(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    node.archives["carola"] = node.archives["carol"]
    result = node.run("alice", "bob", items=[node.item("carola", directory=str(node.home("carol")))], **PURGE)
    assert result["purged"] == []
    assert len(node.names("carol")) == 2
    assert sorted(node.recorded()) == ["alice", "bob", "carola"]


# --- archives on the node ---------------------------------------------------------------------------------------------


def run_there(node: Node, items: list[CredentialOptions], convert: Any, **given: Any) -> dict[str, Any]:
    """Run a task with archives on the node. A module converts them there between two calls."""
    result: dict[str, Any] = node.finish(There(items, convert), items, check=False, **given)
    return result


def test_what_the_node_converts_is_on_record_before_it_is_placed(node: Node) -> None:
    there = [node.item(owner, remote_src=True) for owner in ("alice", "bob", "carol")]
    before: list[dict[str, list[str]]] = []

    def convert(options: CredentialOptions) -> dict[str, Any]:
        before.append(node.recorded())
        work = CredentialExchange([options], node.source, Remembering(), False)
        result: dict[str, Any] = exchange.run(work, lambda *all_: inspectors.converge(*strip(*all_), False, False))[
            options
        ]
        return result

    def strip(sets: list[dict[str, Any]], contents: dict[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        return [{**one, "owner": None} for one in sets], contents

    run_there(node, there, convert, **PURGE)
    assert before[0] == {"alice": [], "bob": [], "carol": []}
    assert {owner: [in_place(node, owner)] for owner in before[0]} == node.recorded()
    run_there(node, there, convert, **PURGE)
    assert node.calls == 1
    assert run_there(node, there[:2], convert, **PURGE)["purged"][0]["owner"] == "carol"
    assert node.names("carol") == []


# --- lists that are not believed --------------------------------------------------------------------------------------


def test_item_that_fails_is_nobody_who_left(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    result = node.run("alice", "bob", items=[node.item("carol", passphrase="wrong")], **PURGE)
    assert [one["error_code"] for one in result["credentials"] if one.get("failed")] == ["wrong_passphrase"]
    assert result["purged"] == []
    assert len(node.names("carol")) == 2
    assert sorted(node.recorded()) == ["alice", "bob", "carol"]
    assert node.calls == 1


def test_item_without_owner_might_be_anybody(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    result = node.run("alice", "bob", items=[node.item(None, state="absent", src=None)], **PURGE)
    assert result["failed"]
    assert "an item of the list has no readable owner" in result["msg"]
    assert len(node.names("carol")) == 2


@pytest.mark.parametrize("owners", [[], ["alice"], ["dave"]])
def test_list_that_shrinks_by_more_than_half_is_refused(node: Node, owners: list[str]) -> None:
    node.issue("dave")
    node.run("alice", "bob", "carol", **PURGE)
    result = node.run(*owners, **PURGE)
    assert result["failed"]
    assert "more than half of the 3 users on record" in result["msg"]
    assert "user_credentials_allow_shrink" in result["msg"]
    assert all(len(node.names(owner)) == 2 for owner in ("alice", "bob", "carol", *owners))
    result = node.run(*owners, allow_shrink=True, **PURGE)
    assert len(result["purged"]) == 3 - len({"alice"} & set(owners))
    assert sorted(node.recorded()) == owners
    assert node.run(*owners, **PURGE)["changed"] is False


def test_half_of_the_users_may_leave(node: Node) -> None:
    node.run("alice", "bob", **PURGE)
    assert node.run("alice", **PURGE)["purged"][0]["owner"] == "bob"


def test_failures_of_credentials_and_of_the_purge_are_told_together(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    result = node.run(items=[node.item("alice", passphrase="wrong")], **PURGE)
    assert "1 of 1 credentials failed" in result["msg"]
    assert "nothing is purged. bob, carol left the list" in result["msg"]


# --- what goes wrong on the node --------------------------------------------------------------------------------------

DAMAGED = {
    "empty": b"",
    "no JSON": b"{",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "list": b"[]",
    "later version": b'{"version": 2, "credentials": []}',
    "no list": b'{"version": 1, "credentials": {}}',
    "no credential": b'{"version": 1, "credentials": [1]}',
    "other fields": b'{"version": 1, "credentials": [{"owner": "root"}]}',
}
LINE = {
    "owner": "carol",
    "directory": "/home/carol",
    "certificate": "c",
    "privatekey": "k",
    "other_certs": "",
    "fingerprints": ["0" * 64],
}
BAD: list[dict[str, Any]] = [
    {"owner": ""},
    {"owner": 0},
    {"owner": None},
    {"owner": ["root"]},
    {"owner": "a\0b"},
    {"owner": "a\x1b[2J"},
    {"directory": ""},
    {"directory": "x" * 5000},
    {"privatekey": ""},
    {"other_certs": None},
    {"fingerprints": "0" * 64},
    {"fingerprints": ["0" * 63]},
    {"fingerprints": ["0" * 64] * 17},
    {"fingerprints": [0]},
    {"more": "x"},
]
DAMAGED.update(
    {str(bad): json.dumps({"version": 1, "credentials": [{**LINE, **bad}]}).encode() for bad in BAD},
)


def test_line_itself_is_good() -> None:
    data = json.dumps({"version": 1, "credentials": [LINE]}).encode()
    (placement,) = placed_record.decode(data)
    assert placed_record.decode(placed_record.encode({placement: ["0" * 64]})) == {placement: ["0" * 64]}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_record_is_noticed(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # any is one
        placed_record.decode(DAMAGED[name])


@pytest.mark.parametrize("name", ["empty", "no text"])
def test_damaged_record_purges_nobody_and_is_kept(node: Node, name: str) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    node.record.write_bytes(DAMAGED[name])
    result = node.run("alice", "bob", **PURGE)
    assert (result.get("failed"), result["purged"]) == (None, [])
    assert "is kept as a backup" in result["warnings"][0]
    assert len(node.names("carol")) == 2
    assert list(node.recorded()) == ["alice", "bob"]
    (backup,) = node.record.parent.glob("*~")
    assert backup.read_bytes() == DAMAGED[name]
    assert node.run("alice", "bob", **PURGE)["warnings"] == []


def test_damaged_record_in_a_run_that_places_something(node: Node) -> None:
    node.run("alice", "bob")
    node.record.write_bytes(b"")
    node.run("alice", "bob", "carol")
    assert len(list(node.record.parent.glob("*~"))) == 1
    assert len(node.recorded()) == 3


def test_place_without_a_record_is_a_warning_or_with_purge_a_failure(node: Node) -> None:
    (node.root / "state").write_bytes(b"no directory")
    result = node.run("alice")
    assert not result.get("failed")
    assert "there is no record of placed credentials" in result["warnings"][0]
    assert len(node.names("alice")) == 2
    result = node.run("alice", **PURGE)
    assert result["failed"]
    assert "nothing is purged, because there is no record" in result["msg"]


def test_only_root_keeps_a_record(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    one = node._one

    def not_root(wanted: dict[str, Any], contents: dict[str, str], check: bool) -> dict[str, Any]:
        if wanted["owner"] != "root":
            return one(wanted, contents, check)
        return {"name": wanted["name"], "failed": True, "error_code": "not_root", "msg": "only root can act as root"}

    monkeypatch.setattr(node, "_one", not_root)
    result = node.run("alice")
    assert (result["warnings"], len(node.names("alice"))) == ([], 2)
    assert "only root can act as root" in node.run("alice", **PURGE)["msg"]
    assert not node.record.exists()


def test_removal_that_fails_is_told_and_stays_on_record(node: Node) -> None:
    node.run("alice", "bob", "carol", **PURGE)
    key = node.home("carol") / "userkey.pem"
    key.unlink()
    key.mkdir()
    result = node.run("alice", "bob", **PURGE)
    assert result["failed"]
    assert "purge of carol" in result["msg"]
    assert len(node.recorded()) == 3
    key.rmdir()
    assert node.run("alice", "bob", **PURGE)["purged"][0]["owner"] == "carol"


def test_placement_that_fails_keeps_what_was_recorded(node: Node) -> None:
    node.run("alice", "bob", "carol")
    before = node.recorded()["carol"]
    node.issue("carol")

    def break_home(one: dict[str, Any]) -> None:
        if one["owner"] == "carol" and len(node.recorded()["carol"]) == 2:
            (node.home("carol") / "userkey.pem").unlink()
            (node.home("carol") / "userkey.pem").mkdir()

    node.on_send = break_home
    result = node.run("alice", "bob", "carol")
    assert [one["error_code"] for one in result["credentials"] if one.get("failed")] == ["is_directory"]
    assert node.recorded()["carol"][0] == before[0]
    assert len(node.recorded()["carol"]) == 2


def test_whenever_a_run_is_killed_what_was_placed_is_on_record(node: Node) -> None:
    """Renewal, a new user and a user who leaves in the same run, killed before each set of it."""
    for most in range(20):
        for path in [*node.root.rglob("*.pem"), *node.root.rglob("*.json")]:
            path.unlink()
        node.most, node.archives = None, {}
        node.issue("alice", "bob", "carol")
        node.run("alice", "bob", "carol")
        node.issue("alice", "dave")
        node.most = most
        try:
            node.run("alice", "bob", "dave", **PURGE)
        except Killed:
            finished = False
        else:
            finished = True
        node.most = None
        for owner in ("alice", "bob", "carol", "dave"):
            if "usercert.pem" in node.names(owner):
                assert in_place(node, owner) in node.recorded()[owner]
            else:
                assert node.names(owner) == []
        if finished:
            assert sorted(node.recorded()) == ["alice", "bob", "dave"]
            return
    raise AssertionError("the run never ends")


def in_place(node: Node, owner: str) -> str:
    content = (node.home(owner) / "usercert.pem").read_bytes()
    return hashlib.sha256(pem.first(content, "CERTIFICATE") or b"").hexdigest()


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["record.json", "/var/lib/../record.json", "/var/lib/", "~/record.json"])
def test_record_is_an_absolute_path(node: Node, path: str) -> None:
    with pytest.raises(AnsibleActionFail, match="must be an absolute path"):
        node.run("alice", record=path)


def test_purge_needs_a_record() -> None:
    action: Any = SimpleNamespace(check_mode=False, register=Register(), prepare=None)
    with pytest.raises(AnsibleActionFail, match="purge needs record"):
        credentials.place(action, {"credentials": [], "purge": True})


def test_home_of_the_owner_is_the_default() -> None:
    options = conversions.options(owner=getpass.getuser())
    assert placed_record.Placement.of(options).directory == f"~{getpass.getuser()}/.globus"


@pytest.mark.parametrize("character", ["\u00a0", "\u200b", "\n"])
def test_a_path_with_an_odd_character_is_placed_and_not_recorded(node: Node, character: str) -> None:
    odd = node.item("bob", directory=f"{node.home('bob')}{character}x")
    for _run in range(2):
        result = node.run("alice", items=[odd], **PURGE)
        assert not result.get("failed"), result
    assert sorted(node.recorded()) == ["alice"]
