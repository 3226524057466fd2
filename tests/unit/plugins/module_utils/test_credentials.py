# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation with the engine, which here works below a temporary directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils import conversation, credentials, file_set, renderers
from ansible_collections.grid.security.tests.support import pki

DEFAULTS = {name: spec.get("default") for name, spec in credentials.OPTIONS.items()}


class Node:
    """Counts what a node is asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        self.calls.append((len(sets), len(contents)))
        return file_set.converge(sets, contents, False, False)


def options(home: Path, name: str, **changes: Any) -> dict[str, Any]:
    own = {"src": f"{name}.p12", "passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
    return {**DEFAULTS, **own, "directory": str(home / name), **changes}


def run(items: list[dict[str, Any]], archives: dict[str, bytes]) -> tuple[list[dict[str, Any]], Node]:
    node = Node()

    renderer = renderers.RenderEach(lambda one: renderers.Source(one, archives[one["src"]]))
    return conversation.hold(credentials.converge(items, renderer, check=False), node.send), node


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
    assert results[1]["why"] == [f"certificate installed, valid until {results[1]['not_after'][:10]}"]


def test_one_failure_does_not_stop_the_others(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": b"rubbish", "bob.p12": pki.issue("Bob").archive()}
    results, _node = run([options(home, "alice"), options(home, "bob")], archives)
    assert [one.get("kind") for one in results] == ["not_pkcs12", None]
    assert (home / "bob/userkey.pem").exists()
    combined = credentials.combine(results, True, False)
    assert combined["failed"]
    assert combined["msg"].startswith("1 of 2 credentials failed; 1 of the other 1 changed.")


def test_working_pair_stays_when_the_new_one_is_refused(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    run([options(home, "alice")], {"alice.p12": pki.issue().archive()})
    before = {path.name: path.read_bytes() for path in (home / "alice").iterdir()}
    results, node = run([options(home, "alice")], {"alice.p12": pki.issue("Mallory").archive()})
    assert results[0]["kind"] == "subject_change"
    assert node.calls == [(1, 0)]
    assert {path.name: path.read_bytes() for path in (home / "alice").iterdir()} == before


def test_no_result_holds_a_key(tmp_path: Path) -> None:
    items = [options(tmp_path.resolve(), "alice", backup=True)]
    for subject in ("Alice", "Alice"):
        results, _node = run(items, {"alice.p12": pki.issue(subject).archive()})
        assert "PRIVATE KEY" not in str(credentials.combine(results, True, True))


def test_two_credentials_for_the_same_files_are_refused(tmp_path: Path) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": pki.issue().archive(), "old.p12": pki.issue().archive()}
    items = [options(home, "alice"), options(home, "old", directory=str(home / "alice"))]
    results, node = run(items, archives)
    assert [one.get("kind") for one in results] == [None, "duplicate"]
    assert node.calls == [(1, 0), (1, 2)]
    results, _node = run(items, archives)
    assert [one["changed"] for one in results] == [False, False]


@pytest.mark.parametrize("name", ["directory", "cert_path", "privatekey_path", "other_certs_path"])
@pytest.mark.parametrize("path", ["a\0b", "\udcff", "\ud800"])
def test_paths_that_no_file_has_are_an_error_before_a_node_is_asked(tmp_path: Path, name: str, path: str) -> None:
    home = tmp_path.resolve()
    archives = {"alice.p12": pki.issue().archive(), "bob.p12": pki.issue("Bob").archive()}
    results, node = run([options(home, "alice", **{name: path}), options(home, "bob")], archives)
    assert [one.get("kind") for one in results] == ["bad_path", None]
    assert results[0]["msg"].startswith(f"alice.p12: {name}: ")
    assert results[0]["msg"].isprintable()
    assert node.calls == [(1, 0), (1, 2)]
