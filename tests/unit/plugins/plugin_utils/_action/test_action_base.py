# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the base class of all actions."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import options as options_of
from ansible_collections.grid.security.plugins.plugin_utils._action import file_sets, restarts, templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, Options, validated
from ansible_collections.grid.security.plugins.plugin_utils._credential import placing, task_options
from ansible_collections.grid.security.plugins.plugin_utils._crl import crls
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import grid_mapfile
from ansible_collections.grid.security.plugins.plugin_utils._node import node
from ansible_collections.grid.security.plugins.plugin_utils._trust import source_options, trust_anchors
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms, vos


class Action(GridAction):
    """An action that finds every file where it is, and asks the node nothing."""

    def __init__(
        self, vault: VaultLib, result: dict[str, Any] | None = None, arguments: dict[str, Any] | None = None
    ) -> None:
        self._loader = DataLoader()
        self._loader.set_vault_secrets(vault.secrets)
        self._task = SimpleNamespace(async_val=0, check_mode=False, args=arguments, get_search_path=lambda: ["/play"])
        self._supports_async = self._supports_check_mode = True
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        self._given = result or {}

    def perform(self) -> dict[str, Any]:
        return self._given


def test_vaulted_files_are_decrypted_in_memory(tmp_path: Path) -> None:
    vault = VaultLib([("default", VaultSecret(b"secret"))])
    path = tmp_path / "alice.p12"
    path.write_bytes(vault.encrypt(b"\x30\x00archive"))
    assert Action(vault).read(str(path)) == b"\x30\x00archive"
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT")


def test_a_file_that_is_not_found_is_one_line(tmp_path: Path) -> None:
    action = Action(VaultLib([]))
    action._loader.set_basedir("/here")
    action._task.get_search_path = lambda: [f"{Path(node.__file__).parents[3]}/roles/node", "/play"]
    action.task_vars = {"inventory_dir": str(tmp_path / "inventory")}
    with pytest.raises(AnsibleActionFail) as caught:
        action.find("sub/alice.p12")
    places = f"/play/files, /play, /here/files, /here, {tmp_path}/inventory/files, {tmp_path}/files"
    assert str(caught.value) == (
        f"sub/alice.p12 was not found on the controller in {places}. Put it into one of these, or correct its path."
    )
    with pytest.raises(AnsibleActionFail, match=r"^/etc/missing does not exist on the controller. Correct its path\.$"):
        action.find("/etc/missing")
    (tmp_path / "files/sub").mkdir(parents=True)
    (tmp_path / "files/sub/alice.p12").touch()
    assert action.find("sub/alice.p12") == f"{tmp_path}/files/sub/alice.p12"


@pytest.mark.parametrize("src", ["a\0b", "\ud800"])
def test_paths_that_no_file_of_the_controller_has(src: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        Action(VaultLib([])).read(src)
    assert caught.value.error_code == "bad_path"


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


SET_BY_THE_CONTROLLER = {"request", "contents", "trusted_cas"}


def documentation(module: str) -> dict[str, Any]:
    """Return the module's documentation, without the doc fragments that it uses."""
    path = Path(__file__).parents[5] / f"plugins/modules/{module}.py"
    (text,) = re.findall(r'^DOCUMENTATION = r"""(.*?)"""', path.read_text(), re.DOTALL | re.MULTILINE)
    return dict(yaml.safe_load(text))


def of_fragment(name: str) -> set[str]:
    """Return the options of a doc fragment, such as ``grid.security.cas.issuers``."""
    file, _dot, variable = name.removeprefix("grid.security.").partition(".")
    fragment = importlib.import_module(f"ansible_collections.grid.security.plugins.doc_fragments.{file}")
    return set(yaml.safe_load(getattr(fragment.ModuleDocFragment, variable.upper() or "DOCUMENTATION"))["options"])


def documented(module: str) -> list[str]:
    own = documentation(module)
    shared = set[str]().union(*map(of_fragment, own["extends_documentation_fragment"]))
    return sorted((set(own["options"]) | shared) - SET_BY_THE_CONTROLLER)


READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "crls": crls.read_options,
    "grid_mapfile": lambda arguments: grid_mapfile.place(Action(VaultLib()), arguments),
    "file_set": lambda arguments: file_sets.place(Action(VaultLib(), arguments=arguments)).request(),
    "node": lambda arguments: next(node.place(Action(VaultLib(), arguments=arguments))),
    "pkcs12_pem": task_options.read_options,
    "trust_anchors": trust_anchors.read_options,
    "voms_client": voms.read_options,
}


@pytest.mark.parametrize("module", READERS)
def test_an_unknown_option_is_told_as_ansible_does(module: str) -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        READERS[module]({"sorce": "xyzzy", "desst": 1})
    supported = ", ".join(documented(module))
    message = (
        f"Unsupported parameters for (grid.security.{module}) module: desst, sorce. Supported parameters include: "
    )
    assert str(caught.value).rpartition("; ")[2] == f"{message}{supported}."
    assert "xyzzy" not in str(caught.value)


def test_an_unknown_option_of_many_credentials_is_told_once() -> None:
    with pytest.raises(AnsibleActionFail) as caught:
        task_options.read_options({"sorce": 1, "credentials": [{"src": "a.p12"}, {"src": "b.p12"}]})
    assert "module: sorce. Supported parameters include: " in str(caught.value)
    assert "credentials, " in str(caught.value)


def test_an_unknown_option_of_an_item() -> None:
    (one,) = task_options.read_options({"credentials": [{"src": "a.p12", "owner": "alice", "sorce": 1}]})
    assert one.error is not None
    assert one.error.message.startswith(
        "credentials[0] for alice: Unsupported parameters for (grid.security.pkcs12_pem) module: sorce. Supported"
        " parameters include: account_base_dir, account_group, "
    )
    assert "credentials, " not in one.error.message
    assert "purge" not in one.error.message
    for read, where in (
        (lambda: source_options.read_source({"srcc": "x"}, "sources[0]: "), "sources[0]"),
        (lambda: vos.define([{"name": "a", "srcc": "x"}]), "vos[0] (a)"),
        (lambda: vos.define([{"name": "a", "servers": [{"srcc": 1}]}]), "vos[0] (a): servers[0]"),
        (lambda: restarts.read([{"name": "a", "srcc": "x"}], ""), "services[0]"),
    ):
        with pytest.raises(AnsibleActionFail) as caught:
            read()
        assert str(caught.value).startswith(f"{where}: ")
        assert "Unsupported parameters: srcc. Supported parameters include: " in str(caught.value)


def test_unknown_options_of_several_levels() -> None:
    entries = [{"path": "/x", "moed": 1}, {"pth": "/y", "path": "/z"}]
    with pytest.raises(AnsibleActionFail) as caught:
        READERS["file_set"]({"sets": [{"name": "x", "entries": entries, "nme": 1}], "tiemout": 1})
    expected = [
        "tiemout. Supported parameters include: sets, timeout.",
        "sets.nme. Supported parameters include: directory, entries, name, owner.",
        "sets.entries.moed, sets.entries.pth. Supported parameters include: backup, content, ",
    ]
    parts = str(caught.value).split("; ")
    prefix = "Unsupported parameters for (grid.security.file_set) module: "
    assert [part.startswith(f"{prefix}{text}") for part, text in zip(parts, expected, strict=True)] == [True] * 3


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
    assert "cached_conversion" in ours
    assert not ours & {
        "bounded_fetch",
        "gpg",
        "convert",
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
        placing._read(Action(VaultLib()), None, content, "content")
    assert caught.value.error_code == "not_base64"


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
    good, bad = task_options.read_options(
        {"credentials": [{"src": "a.p12"}, {"src": "b.p12", "owner": "bob", **wrong}]}
    )
    assert good.error is None
    assert bad.error is not None
    assert bad.error.message.startswith("credentials[1] for bob: ")


def test_an_item_that_is_to_be_absent_needs_no_template() -> None:
    item = {"owner": "carol", "state": "absent", templates.UNREADABLE: "vault_carol is undefined"}
    (options,) = task_options.read_options({"credentials": [item]})
    assert (options.owner, options.state, options.error) == ("carol", "absent", None)
