# SPDX-License-Identifier: GPL-3.0-or-later
"""What all actions have in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.grid.security.plugins.module_utils import conversation, process
from ansible_collections.grid.security.plugins.module_utils import credentials as options_of
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import credentials, node, templates
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction, Options, validated


class Action(GridAction):
    """An action that finds every file where it is, and asks the node nothing."""

    def __init__(self, vault: VaultLib, result: dict[str, Any] | None = None) -> None:
        self._loader = SimpleNamespace(_vault=vault)
        self._task = SimpleNamespace(async_val=0, check_mode=False)
        self._supports_async = self._supports_check_mode = True
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        self._given = result or {}

    def converse(self) -> conversation.Conversation:
        yield conversation.Request([])
        return self._given

    def _find_needle(self, dirname: str, needle: str) -> str:
        return needle


def test_vaulted_files_are_decrypted_in_memory(tmp_path: Path) -> None:
    vault = VaultLib([("default", VaultSecret(b"secret"))])
    path = tmp_path / "alice.p12"
    path.write_bytes(vault.encrypt(b"\x30\x00archive"))
    assert Action(vault).read(str(path)) == b"\x30\x00archive"
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT")


@pytest.mark.parametrize("src", ["a\0b", "\ud800"])
def test_paths_that_no_file_of_the_controller_has(src: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        Action(VaultLib([])).read(src)
    assert caught.value.kind == "bad_path"


@pytest.mark.parametrize("passphrase", ["xyzzy", "xy\"zz'y\\é"])
@pytest.mark.parametrize("option", ["kdf_iterations", "privatekey_format", "include_chain"])
def test_what_is_wrong_is_said_without_the_passphrase(passphrase: str, option: str) -> None:
    arguments: dict[str, Any] = {"passphrase": passphrase, option: passphrase}
    with pytest.raises(AnsibleActionFail, match=option) as caught:
        validated(options_of.OPTIONS, arguments, "credentials[0]: ")
    assert "xy" not in str(caught.value)


def test_items_of_a_list_are_checked_as_each_alone_would_be() -> None:
    items: list[dict[str, Any]] = [
        {"src": "a.p12", "passphrase": "one"},
        {"src": "~/b.p12", "passphrase": "two"},
        {"src": "c.p12", "passphrase": "three", "include_chain": "yes"},
        {"src": "d.p12", "passphrase": 4},
        {"src": "e.p12", "passphrase": "five"},
        {"src": None, "content": "", "backup": True},
    ]
    checked = Options(options_of.OPTIONS)
    assert [checked.complete(one) for one in items] == [validated(options_of.OPTIONS, one) for one in items]
    first, last = checked.complete(items[0]), checked.complete(items[4])
    assert (first["src"], last["src"], last["passphrase"]) == ("a.p12", "e.p12", "five")
    assert validated(options_of.OPTIONS, items[1])["src"] == os.path.expanduser("~/b.p12")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"state": "gone"}, "value of state must be one of"),
        ({"sorce": "b.p12"}, "sorce"),
        ({"content": "both"}, "mutually exclusive"),
        ({"kdf_iterations": "many"}, "kdf_iterations"),
    ],
)
def test_a_bad_item_after_a_good_one_is_found(bad: dict[str, Any], message: str) -> None:
    checked = Options(options_of.OPTIONS, mutually_exclusive=[("src", "content")])
    for good in ({"src": "a.p12"}, {"src": "a.p12", "state": "absent"}):
        checked.complete(good)
    with pytest.raises(AnsibleActionFail, match=message) as caught:
        checked.complete({"src": "b.p12", **bad}, "credentials[2]: ")
    assert str(caught.value).startswith("credentials[2]: ")


def test_many_contents_take_several_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [str(number) for number in range(5)]
    sets = [{"name": digest, "entries": [{"sha256": digest}]} for digest in digests]
    sent: list[list[str]] = []

    def execute(_action: GridAction, _module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        sent.append(sorted(arguments["contents"]))
        return {"sets": [{"name": one["name"]} for one in json.loads(arguments["request"])]}

    monkeypatch.setattr(GridAction, "execute", execute)
    outcomes = Action(VaultLib()).send(sets, dict.fromkeys(digests, "x" * (400 << 10)))
    assert [one["name"] for one in outcomes] == digests
    assert sent == [["0", "1"], ["2", "3"], ["4"]]


def test_what_renders_is_not_imported_before_something_is_rendered() -> None:
    code = f"import sys; sys.path[:] = {sys.path!r}; import {node.__name__}; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    ours = {name.rpartition(".")[2] for name in said if name.startswith("ansible_collections.grid.security.")}
    assert "kept_renderings" in ours
    assert not ours & {
        "bounded_fetch",
        "gpg",
        "rendering",
        "certificates",
        "pkcs12",
        "keypair",
        "safe_x509",
        "anchors",
        "anchor_rendering",
    }


def test_what_files_of_others_say_cannot_upset_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "hide_memory", lambda: None)
    given = {"changed": False, "warnings": ["\x1b[2J"], "msg": "one\ntwo \x1b[2J"}
    shown = Action(VaultLib(), given).run(None, {})
    assert shown == {"changed": False, "warnings": [r"\x1b[2J"], "msg": "one\ntwo \\x1b[2J"}


@pytest.mark.parametrize("content", ["no base64", "é", "half \ud83d", "A"])
def test_content_that_is_no_text_form_of_anything(content: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        credentials._read(Action(VaultLib()), None, content, "content")
    assert caught.value.kind == "not_base64"


class Vaulted:
    """An inline vault string of ansible-core before 2.19."""

    __ENCRYPTED__ = True

    def __str__(self) -> str:
        return "decrypted"


def test_an_inline_vault_string_is_decrypted() -> None:
    assert validated(options_of.OPTIONS, {"passphrase": Vaulted()})["passphrase"] == "decrypted"


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject_dn": True},
        {"subject_dn": ["/CN=A", 5]},
        {"subject_dn": "O=Grid,CN=Alice"},
        {"cert_path": ""},
        {"privatekey_path": ""},
        {"services": ["foo@"]},
        {"services": ["a b"]},
    ],
)
def test_an_odd_value_is_an_error_of_its_item(wrong: dict[str, Any]) -> None:
    good, bad = credentials.read_options({"credentials": [{"src": "a.p12"}, {"src": "b.p12", "owner": "bob", **wrong}]})
    assert "error" not in good
    assert bad["error"].message.startswith("credentials[1] for bob: ")


def test_an_item_that_is_to_be_absent_needs_no_template() -> None:
    item = {"owner": "carol", "state": "absent", templates.UNREADABLE: "vault_carol is undefined"}
    (options,) = credentials.read_options({"credentials": [item]})
    assert (options["owner"], options["state"], "error" in options) == ("carol", "absent", False)
