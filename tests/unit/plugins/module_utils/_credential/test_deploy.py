# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the steps from options to results. The engine works below a temporary directory."""

from __future__ import annotations

import hashlib
import os
import pwd
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors, pkcs8
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Converter, Source, Summaries
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.tests.support import conversions, pki


class Node:
    """Counts what a node is asked."""

    def __init__(self, check: bool = False) -> None:
        self.calls: list[tuple[int, int]] = []
        self._check = check

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        self.calls.append((len(sets), len(contents)))
        return inspectors.converge(sets, contents, self._check, False)


def options(home: Path, name: str, **changes: Any) -> CredentialOptions:
    own = {"src": f"{name}.p12", "passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
    return conversions.options(**{**own, "directory": str(home / name), **changes})


def run(
    items: list[CredentialOptions], archives: dict[str, bytes], check: bool = False
) -> tuple[list[dict[str, Any]], Node]:
    node = Node(check)
    placing = CredentialExchange(items, lambda one: Source(one, archives[one.src or ""]), Converter(), check)
    found = exchange.run(placing, node.send)
    return [found[one] for one in items], node


def test_many_are_one_call_when_nothing_changes(tmp_path: Path) -> None:
    archives = {f"user{number}.p12": pki.issue(f"User {number}").archive() for number in range(20)}
    items = [options(tmp_path.resolve(), name[:-4]) for name in archives]
    first, node = run(items, archives)
    assert all(one["changed"] for one in first)
    assert node.calls == [(20, 0), (20, 40)]
    second, node = run(items, archives)
    assert not any(one["changed"] for one in second)
    assert node.calls == [(20, 0)]


def test_only_what_differs_travels(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": pki.issue().archive(), "bob.p12": pki.issue("Bob").archive()}
    items = [options(home, "alice"), options(home, "bob")]
    run(items, archives)
    (home / "bob/usercert.pem").unlink()
    results, node = run(items, archives)
    assert node.calls == [(2, 0), (1, 1)]
    assert results[1]["changes"] == [f"certificate installed, valid until {results[1]['not_after'][:10]}"]


def test_one_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": b"rubbish", "bob.p12": pki.issue("Bob").archive()}
    results, _node = run([options(home, "alice"), options(home, "bob")], archives)
    assert [one.get("error_code") for one in results] == ["not_pkcs12", None]
    assert (home / "bob/userkey.pem").exists()


def test_working_pair_stays_when_the_new_one_is_refused(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    run([options(home, "alice")], {"alice.p12": pki.issue().archive()})
    before = {path.name: path.read_bytes() for path in (home / "alice").iterdir()}
    results, node = run([options(home, "alice")], {"alice.p12": pki.issue("Mallory").archive()})
    assert results[0]["error_code"] == "subject_change"
    assert node.calls == [(1, 0)]
    assert {path.name: path.read_bytes() for path in (home / "alice").iterdir()} == before


def test_no_result_holds_a_key(tmp_path: Path) -> None:
    items = [options(tmp_path.resolve(), "alice", backup=True)]
    for subject in ("Alice", "Alice"):
        results, _node = run(items, {"alice.p12": pki.issue(subject).archive()})
        assert "PRIVATE KEY" not in str(results)


def test_two_credentials_for_the_same_files_are_refused(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": pki.issue().archive(), "old.p12": pki.issue().archive()}
    items = [options(home, "alice"), options(home, "old", directory=str(home / "alice"))]
    results, node = run(items, archives)
    assert [one.get("error_code") for one in results] == [None, "duplicate"]
    assert node.calls == [(1, 0), (1, 2)]
    results, _node = run(items, archives)
    assert [one["changed"] for one in results] == [False, False]


def test_a_credential_that_fails_still_has_its_files(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    items = [options(home, "alice"), options(home, "old", directory=str(home / "alice"))]
    results, _node = run(items, {"alice.p12": b"rubbish", "old.p12": pki.issue().archive()})
    assert [one.get("error_code") for one in results] == ["not_pkcs12", "duplicate"]
    assert not (home / "alice").exists()


# --- stored keys and their passphrases --------------------------------------------------------------------------------


class Alice:
    """A credential that is placed again and again."""

    def __init__(self, home: Path) -> None:
        self.home, self.archive = home, pki.issue().archive()
        self.key, self.certificate = home / "alice/userkey.pem", home / "alice/usercert.pem"

    def place(self, check: bool = False, **changes: Any) -> dict[str, Any]:
        results, self.node = run([options(self.home, "alice", **changes)], {"alice.p12": self.archive}, check)
        return results[0]

    def why(self, **changes: Any) -> tuple[list[str], list[str]]:
        """Return the changes that check mode reports, and those of a run after it."""
        return self.place(check=True, **changes)["changes"], self.place(**changes)["changes"]

    def change_passphrase(self, word: str) -> bytes:
        """Change the passphrase of the key in place, as a user does."""
        key = load_pem_private_key(self.key.read_bytes(), b"store")
        form = (Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(word.encode()))
        self.key.write_bytes(key.private_bytes(*form))
        return self.key.read_bytes()


@pytest.fixture(name="alice")
def _alice(tmp_path: Path) -> Alice:
    alice = Alice(tmp_path.resolve())
    alice.place()
    return alice


def test_passphrase_of_the_user_stays_with_on_create(alice: Alice) -> None:
    theirs = alice.change_passphrase("theirs")
    assert not alice.place(update_passphrase="on_create")["changed"]
    assert alice.node.calls == [(1, 0)]
    assert alice.key.read_bytes() == theirs
    assert alice.place()["changed"]
    assert load_pem_private_key(alice.key.read_bytes(), b"store")


def test_on_create_does_not_keep_an_encrypted_key_where_none_is_wanted(alice: Alice) -> None:
    unencrypted = {"encrypt_privatekey": False, "privatekey_passphrase": None, "update_passphrase": "on_create"}
    assert alice.why(**unencrypted) == (["private key is encrypted"], ["private key was encrypted"])
    assert b"BEGIN PRIVATE KEY" in alice.key.read_bytes()
    assert alice.place(update_passphrase="on_create")["changes"] == ["private key was unencrypted"]
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in alice.key.read_bytes()


def test_renewal_sets_the_passphrase_that_is_configured(alice: Alice) -> None:
    alice.change_passphrase("theirs")
    alice.archive = pki.issue().archive()
    why = alice.place(update_passphrase="on_create")["changes"]
    assert [reason.split(":")[0] for reason in why] == ["certificate renewed", "private key replaced"]
    assert load_pem_private_key(alice.key.read_bytes(), b"store")


def test_reasons_name_what_protected_the_key(alice: Alice) -> None:
    wanted = "protection differs (1000 → 2000 iterations)", "protection renewed (1000 → 2000 iterations)"
    assert alice.why(kdf_iterations=2000) == ([wanted[0]], [wanted[1]])
    alice.change_passphrase("theirs")
    check, done = alice.why(kdf_iterations=2000)
    assert check[0].startswith(("protection differs", "private key is encrypted in another form"))
    assert done[0].startswith(("protection renewed", "private key was encrypted in another form"))


def test_passphrase_changed(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Salt and IV do not depend on the passphrase."""
    monkeypatch.setattr(pkcs8, "_derive", lambda info, purpose, *_others: hashlib.sha256(info + purpose).digest())
    alice.place()
    assert alice.why(privatekey_passphrase="new") == (["passphrase differs"], ["passphrase changed"])


def test_missing_and_damaged_files_are_told_as_such(alice: Alice) -> None:
    alice.key.unlink()
    assert alice.why() == (["private key missing"], ["private key installed"])
    alice.key.write_bytes(b"")
    assert alice.why() == (["private key is missing or damaged"], ["private key was missing or damaged"])
    until = alice.place()["not_after"][:10]
    alice.certificate.write_bytes(alice.certificate.read_bytes()[:99])
    assert alice.why() == (["certificate damaged"], [f"certificate installed, valid until {until}"])
    alice.certificate.unlink()
    assert alice.why() == (["certificate missing"], [f"certificate installed, valid until {until}"])
    assert alice.why(state="absent") == (
        ["usercert.pem: still there", "userkey.pem: still there"],
        ["usercert.pem: removed", "userkey.pem: removed"],
    )


def test_each_difference_has_owner_and_path(tmp_path: Path) -> None:
    """The directory, and files whose names begin like a reason, have their own paths."""
    owner = pwd.getpwuid(os.geteuid()).pw_name
    alice, home = Alice(tmp_path), tmp_path / "alice"
    names = {"owner": owner, "other_certs_path": "certificates.pem", "privatekey_path": "subject.key"}
    until = alice.place(check=True, **names)["not_after"][:10]
    assert sorted(alice.place(**names)["differences"]) == [
        f"{owner}: {home}/certificates.pem: created",
        f"{owner}: {home}/subject.key: private key installed",
        f"{owner}: {home}/usercert.pem: certificate installed, valid until {until}",
        f"{owner}: {home}: created",
    ]
    (home / "subject.key").chmod(0o644)
    assert alice.place(**names)["differences"] == [f"{owner}: {home}/subject.key: mode 0644 → 0600"]


def test_reasons_hold_no_byte_of_a_key(alice: Alice) -> None:
    alice.change_passphrase("theirs")
    stored = alice.key.read_text().splitlines()
    result = str(alice.place(check=True))
    assert not any(line in result for line in stored[1:])


class Watched(Node):
    """Answers for services as it is told, a list for each call; remembers the sets that name one."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[list[tuple[str, int, list[str]]]] = []

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        plain = [{name: one[name] for name in one if name not in ("services", "watched")} for one in sets]
        self.asked.append([(one["name"], len(one["entries"]), one["watched"]) for one in sets if one.get("services")])
        return [{**outcome, **answer} for outcome, answer in zip(super().send(plain, contents), self.answers.pop(0))]


def watch(node: Watched, home: Path, archive: bytes, **changes: Any) -> dict[str, Any]:
    item = options(home, "host", services=[{"name": "x", "state": "restarted"}], **changes)
    placing = CredentialExchange([item], lambda one: Source(one, archive), Converter(), check=False)
    result: dict[str, Any] = exchange.run(placing, node.send)[item]
    return result


def test_services_of_a_credential_that_is_refused_are_looked_at(tmp_path: Path) -> None:
    node = Watched([{"services": ["owed"]}])
    result = watch(node, tmp_path.resolve(), b"rubbish", other_certs_path="others.pem")
    assert node.asked == [[("host.p12", 0, ["usercert.pem", "userkey.pem", "others.pem"])]]
    assert result["error_code"] == "not_pkcs12"
    assert result["services"] == ["owed"]


def test_the_last_look_counts_unless_it_failed(tmp_path: Path) -> None:
    home, archive = tmp_path.resolve(), pki.issue().archive()
    node = Watched([{"services": ["owed"]}], [{"services": ["current"]}])
    assert watch(node, home / "one", archive)["services"] == ["current"]
    failed = {"failed": True, "error_code": "killed", "msg": "it was killed", "services": ["current"]}
    node = Watched([{"services": ["owed"]}], [failed])
    result = watch(node, home / "two", archive)
    assert result["error_code"] == "killed"
    assert result["services"] == ["owed", "current"]


def test_nothing_uses_a_credential_that_is_to_be_absent(tmp_path: Path) -> None:
    node = Watched([{}])
    assert "services" not in watch(node, tmp_path.resolve(), b"", state="absent")
    assert node.asked == [[]]


@pytest.mark.parametrize("name", ["directory", "cert_path", "privatekey_path", "other_certs_path"])
@pytest.mark.parametrize("path", ["a\0b", "\udcff", "\ud800"])
def test_paths_that_no_file_has_are_an_error_before_a_node_is_asked(tmp_path: Path, name: str, path: str) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": pki.issue().archive(), "bob.p12": pki.issue("Bob").archive()}
    results, node = run([options(home, "alice", **{name: path}), options(home, "bob")], archives)
    assert [one.get("error_code") for one in results] == ["bad_path", None]
    assert results[0]["msg"].startswith(f"alice.p12: {name}: ")
    assert results[0]["msg"].isprintable()
    assert node.calls == [(1, 0), (1, 2)]


def test_an_item_without_readable_options_is_nobody_s_duplicate(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    alice = options(home, "alice")
    error = GridSecurityError("bad_options", "credentials[0]: wrong")
    results, _node = run([replace(alice, error=error), alice], {"alice.p12": pki.issue().archive()})
    assert [one.get("error_code") for one in results] == ["bad_options", None]


def test_what_was_not_converted_is_not_removed(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    run([options(home, "alice")], {"alice.p12": pki.issue().archive()})

    class Forgetful(Converter):
        def summaries(self, sources: Collection[Source]) -> Summaries:
            return {}

    node, alice = Node(), options(home, "alice")
    placing = CredentialExchange([alice], lambda one: Source(one, b""), Forgetful(), check=False)
    result = exchange.run(placing, node.send)[alice]
    assert (result["error_code"], result["changed"]) == ("internal", False)
    assert (home / "alice/userkey.pem").exists()
