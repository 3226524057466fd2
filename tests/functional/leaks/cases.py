# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the plays in which the tests search secrets: every way to pass them, and every way to fail with them.

No task sets ``no_log``. Secrets come from a vaulted file of variables, as at a site.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.tests.functional.leaks import planted

__all__ = ["SECRETS", "Case", "cases", "give", "play"]

# By class; see places.py.
SECRETS = [
    "run-import",
    "run-store",
    "run-wrong",
    "run-key",
    "run-hostimport",
    "run-nodekey",
    "run-vault",
    "node-import",
    "node-store",
    "node-wrong",
    "host-key",
    "host-token",
]
_PKCS12, _FILE_SET = "grid.security.pkcs12_pem", "grid.security.file_set"


@dataclass(frozen=True)
class Case:
    """Hold a case. :param fails: a part of the message, if the task must fail."""

    name: str
    module: str
    arguments: dict[str, Any]
    fails: str = ""


def give(directory: Path) -> None:
    """Make the archives, variables and keys of a site."""
    directory.mkdir()
    user, host = planted.credential("run-key"), planted.credential("host-key")
    there = planted.credential("run-nodekey")
    archive = user.archive(planted.passphrase("run-import"))
    files = {
        "alice.p12": archive,
        "expired.p12": planted.credential("run-key", start=-50, days=10).archive(planted.passphrase("run-import")),
        "truncated.p12": archive[:-10],
        "host.p12": host.archive(planted.passphrase("run-hostimport")),
        "node.p12": there.archive(planted.passphrase("node-import")),
        "cert.pem": user.pem,
        "key.pem": _pem(user),
        "vault-password": planted.passphrase("run-vault").encode(),
    }
    vault = VaultLib([("default", VaultSecret(files["vault-password"]))])
    secrets = {name.replace("-", "_"): planted.passphrase(name) for name in SECRETS}
    inline = {
        "archive": base64.b64encode(archive).decode(),
        "certificate": user.pem.decode(),
        "key": _pem(user).decode(),
    }
    files["secrets.json"] = vault.encrypt(json.dumps({**secrets, **inline}))
    files["vaulted.p12"] = vault.encrypt(archive)
    for name, data in files.items():
        (directory / name).write_bytes(data)


def _pem(one: Any) -> bytes:
    written: bytes = one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return written


@dataclass(frozen=True)
class _Site:
    """Hold the directories of archives and credentials, and the options that place them."""

    given: Path
    home: Path
    here = {"passphrase": "{{ run_import }}", "privatekey_passphrase": "{{ run_store }}", "kdf_iterations": 1000}
    there = {**here, "passphrase": "{{ node_import }}", "privatekey_passphrase": "{{ node_store }}", "remote_src": True}

    @property
    def alice(self) -> dict[str, Any]:
        return {**self.here, "src": str(self.given / "alice.p12")}

    @property
    def node(self) -> dict[str, Any]:
        return {**self.there, "src": str(self.given / "node.p12")}

    @property
    def host(self) -> dict[str, Any]:
        source = str(self.given / "host.p12")
        return {"src": source, "passphrase": "{{ run_hostimport }}", "encrypt_privatekey": False}

    @property
    def token(self) -> dict[str, Any]:
        return {"path": str(self.home / "token"), "content": "{{ host_token }}", "secret": True}

    def place(self, name: str, arguments: dict[str, Any], fails: str = "") -> Case:
        return Case(name, _PKCS12, {"directory": str(self.home / name.replace(" ", "-")), **arguments}, fails)

    def places(self, name: str, *items: dict[str, Any], fails: str = "") -> Case:
        stem = name.replace(" ", "-")
        listed = [{"directory": str(self.home / f"{stem}{number}"), **one} for number, one in enumerate(items)]
        return Case(f"list of {name}", _PKCS12, {"credentials": listed}, fails)


def cases(given: Path, home: Path) -> Iterator[Case]:
    """Return the cases that are one task."""
    site = _Site(given, home)
    yield from _that_work(site)
    yield from _with_bad_archives(site)
    yield from _with_bad_options(site)


def _that_work(site: _Site) -> Iterator[Case]:
    given, here, alice, host = site.given, site.here, site.alice, site.host
    yield site.place("placed", alice)
    yield site.place("placed", alice)
    yield site.place("placed", {**alice, "privatekey_passphrase": "{{ run_wrong }}", "backup": True})
    yield site.place("placed", {"state": "absent", "passphrase": "{{ run_import }}"})
    yield site.place("converted there", site.node)
    yield site.place("host", {**host, "privatekey_path": "hostkey.pem"})
    yield site.places(
        "all",
        alice,
        {**alice, "check_privatekey": True},
        {**alice, "src": str(given / "vaulted.p12")},
        {**here, "content": "{{ archive }}"},
        {**here, "src": str(given / "cert.pem"), "privatekey_src": str(given / "key.pem")},
        {**here, "content": "{{ certificate }}", "privatekey_content": "{{ key }}"},
        {**host, "privatekey_format": "traditional", "privatekey_path": "hostkey.pem"},
        site.node,
    )
    yield Case("contents", _FILE_SET, {"sets": [{"name": "token", "entries": [site.token]}]})


def _with_bad_archives(site: _Site) -> Iterator[Case]:
    given, here, alice = site.given, site.here, site.alice
    two_keys = {**here, "content": "{{ certificate }}", "privatekey_content": "{{ key * 2 }}"}
    another_key = {**here, "content": "{{ archive }}", "privatekey_content": "{{ key }}"}
    wrong = {**alice, "passphrase": "{{ run_wrong }}"}
    yield site.place("wrong", wrong, "passphrase is wrong")
    yield site.place("wrong there", {**site.node, "passphrase": "{{ node_wrong }}"}, "passphrase is wrong")
    yield site.place("none there", {**site.node, "src": str(given / "none.p12")}, "does not exist")
    yield site.places("some wrong", alice, wrong, fails="1 of 2 credentials failed")
    yield site.place("expired", {**alice, "src": str(given / "expired.p12")}, "expired")
    yield site.place("truncated", {**alice, "src": str(given / "truncated.p12")}, "truncated")
    yield site.place("key alone", {**alice, "src": str(given / "key.pem")}, "a PEM private key")
    yield site.place("two keys", two_keys, "2 PEM private")
    yield site.place("another key", another_key, "no PEM certificate")
    yield site.place("other host", {**site.host, "dns_name": "se.example.org"}, "not for se.example.org")
    yield site.place("bomb", {**alice, "max_kdf_iterations": 100}, "iterations of key derivation")
    yield site.place("no Base64", {**here, "content": "{{ run_store }}"}, "neither Base64 nor PEM")


def _with_bad_options(site: _Site) -> Iterator[Case]:
    alice, no_directory = site.alice, str(site.given / "alice.p12")
    unreachable, misspelt = {**site.token, "path": f"{no_directory}/token"}, {**site.token, "modes": 1}
    yield site.place("nowhere", {**alice, "directory": f"{no_directory}/.globus"}, "alice.p12")
    yield site.place("nobody", {**alice, "owner": "nobody-here"}, "nobody-here")
    yield site.place("misspelt", {**alice, "pass_phrase": "{{ run_store }}"}, "pass_phrase")
    yield site.place("of the wrong type", {**alice, "kdf_iterations": "{{ run_store }}"}, "kdf_iterations")
    yield site.place("of no choice", {**alice, "privatekey_format": "{{ run_store }}"}, "privatekey_format")
    yield site.place("both", {**alice, "content": "{{ archive }}"}, "mutually exclusive")
    yield Case("no list", _PKCS12, {"credentials": "{{ run_import }}"}, "list of dictionaries")
    yield Case("no dictionaries", _PKCS12, {"credentials": ["{{ run_import }}"]}, "it must be a dictionary")
    yield Case("contents nowhere", _FILE_SET, {"sets": [{"name": "token", "entries": [unreachable]}]}, "alice.p12")
    yield Case("contents misspelt", _FILE_SET, {"sets": [{"name": "t", "entries": [misspelt]}]}, "modes")


def play(given: Path, home: Path, **more: Any) -> dict[str, Any]:
    """Return all cases as tasks that continue after a failure, and then tasks that use the results."""
    todo = list(cases(given, home))
    names = [f"result_{number}" for number in range(len(todo))]
    tasks = [
        {"name": one.name, one.module: one.arguments, "register": name, "ignore_errors": True}
        for name, one in zip(names, todo)
    ]
    kept = {name: f"{{{{ {name} }}}}" for name in names}
    return {
        "vars_files": [str(given / "secrets.json")],
        "tasks": [
            *tasks,
            *_roles(given, home),
            {"ansible.builtin.debug": {"var": "result_0"}},
            {"ansible.builtin.set_fact": {**kept, "cacheable": True}},
            {"ansible.builtin.assert": {"that": list(_expectations(names, todo))}},
        ],
        **more,
    }


def _expectations(names: list[str], todo: list[Case]) -> Iterator[str]:
    for name, one in zip(names, todo):
        yield f"{name} is {'failed' if one.fails else 'success'}"
        if one.fails:
            yield f"{json.dumps(one.fails)} in {name}.msg"


def _roles(given: Path, home: Path) -> Iterator[dict[str, Any]]:
    """Return the cases as roles, with mistakes for which the argument specs' messages could quote a secret."""
    here = {"passphrase": "{{ run_import }}", "privatekey_passphrase": "{{ run_store }}", "kdf_iterations": 1000}
    users = [{**here, "src": str(given / "alice.p12"), "directory": str(home / "by-role")}]
    host = {"host_credential_src": str(given / "host.p12"), "host_credential_passphrase": "{{ run_hostimport }}"}
    host["host_credential_directory"] = str(home / "host-by-role")
    mapped = {
        "grid_mapfile_path": str(home / "grid-mapfile"),
        "grid_mapfile_credentials": [{**users[0], "owner": "root", "allow_shared_subject": True}],
    }
    everything = {"user_credentials": users, **host, **mapped}
    yield _role("node", everything)
    yield _role("user_credentials", {"user_credentials": users})
    yield _role("user_credentials", {"user_credentials": "{{ run_import }}"}, fails=True)
    yield _role("user_credentials", {"user_credentials": ["{{ run_import }}"]}, fails=True)
    yield _role("host_credential", {**host, "host_credential_passphrase": "{{ run_wrong }}"}, fails=True)


def _role(name: str, variables: dict[str, Any], fails: bool = False) -> dict[str, Any]:
    task = {"ansible.builtin.include_role": {"name": f"grid.security.{name}"}, "vars": variables}
    if not fails:
        return task
    unexpected = {"ansible.builtin.fail": {"msg": "it should have failed"}, "when": "__rescued is not defined"}
    return {"block": [{"block": [task], "rescue": [{"ansible.builtin.set_fact": {"__rescued": True}}]}, unexpected]}
