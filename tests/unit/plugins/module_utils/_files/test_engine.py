# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine, in a directory of the user who runs the tests."""

from __future__ import annotations

import ast
import base64
import hashlib
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import (
    apply,
)
from ansible_collections.grid.security.tests.support.file_sets import CONTENT, DIGEST, converge, key
from ansible_collections.grid.security.tests.support.systemd import Systemd


def test_asks_for_what_it_lacks_and_touches_nothing(home: Path) -> None:
    assert converge(home, key(), send=False)["needs"] == [DIGEST]
    assert not list(home.iterdir())


def test_places_and_then_changes_nothing(home: Path) -> None:
    assert converge(home, key())["changed"]
    assert (home / "key").read_bytes() == CONTENT
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    assert not converge(home, key(), send=False)["changed"]
    assert [path.name for path in home.iterdir()] == ["key"]


def test_check_mode_touches_nothing(home: Path) -> None:
    assert converge(home, key(), check=True)["changed"]
    assert not list(home.iterdir())


_ROOTS = {"_services"}  # functions that only the engine's own process calls


@pytest.mark.parametrize(
    "name",
    [
        "apply",
        "beside",
        "inspection",
        "entries",
        "engine",
        "../_credential/inspectors",
        "../_credential/key_files",
        "../_x509/certificate_der",
        "../_x509/crl",
        "../_x509/der",
        "../_x509/distinguished_name",
        "../_x509/pem",
        "manifest",
        "accounts",
        "answers",
        "channel",
        "child",
        "failures",
        "fork_server",
        "jobs",
        "report",
        "set_work",
        "worker",
        "plan",
        "scan",
        "diffs",
        "directories",
        "leftovers",
        "locks",
        "observed",
        "os_errors",
        "secure_fs",
        "selinux",
    ],
)
def test_nothing_is_imported_late(name: str) -> None:
    """Whoever works with a user's rights cannot read ansible's archive with the modules, which is root's."""
    tree = ast.parse((Path(apply.__file__).parent / f"{name}.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name not in _ROOTS]
    late = [node for one in functions for node in ast.walk(one) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not late


@pytest.fixture(name="systemd")
def _systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """Start a systemd with one running service."""
    systemd = Systemd(tmp_path / "systemd")
    for name, value in systemd.environment.items():
        monkeypatch.setenv(name, value)
    systemd.start("xrootd")
    return systemd


def serve(home: Path, *entries: dict[str, Any], service: str = "xrootd", send: bool = True) -> dict[str, Any]:
    """Converge a set whose file ``key`` a service uses, and return the outcome."""
    one = {
        "name": "host",
        "directory": str(home / "host"),
        "entries": [{"state": "file", **entry} for entry in entries],
    }
    used = {"services": [{"name": service, "state": "restarted"}], "watched": ["key"]}
    contents = {DIGEST: base64.b64encode(CONTENT).decode()} if send else {}
    (home / "host").mkdir(exist_ok=True)
    return inspectors.converge([{**one, **used}], contents, False, False)[0]


def status(outcome: dict[str, Any]) -> str:
    (service,) = outcome["services"]
    return str(service["status"])


def test_a_service_owes_a_restart_until_it_started_after_its_file_changed(home: Path, systemd: Systemd) -> None:
    assert status(serve(home, key(), send=False)) == "current"  # there is no file yet
    assert status(serve(home, key())) == "owed"
    assert status(serve(home, key(), send=False)) == "owed"
    time.sleep(0.05)  # more than a tick of the clock, as every real restart takes
    systemd.start("xrootd")
    assert status(serve(home, key(), send=False)) == "current"
    time.sleep(0.05)
    (home / "host/key").chmod(0o644)
    assert status(serve(home, key(), send=False)) == "owed"


def test_a_set_that_fails_tells_what_its_services_owe(home: Path, systemd: Systemd) -> None:
    serve(home, key())
    (home / "host/other").mkdir()
    failed = serve(home, key(), key(path="other"))
    assert failed["error_code"] == "is_directory"
    assert status(failed) == "owed"


def test_with_an_unknown_service_nothing_is_changed(home: Path, systemd: Systemd) -> None:
    outcome = serve(home, key(), service="xrotd")
    assert outcome["error_code"] == "no_service"
    assert "'xrotd'" in outcome["msg"]
    assert list((home / "host").iterdir()) == []


def test_no_worker_has_a_say_in_what_services_are_restarted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = {"changed": False, "entries": [], "services": [{"name": "sshd"}], "change_times": {"/x": 1}}
    monkeypatch.setattr(inspectors, "work", lambda _argument: dict(claim))
    outcome = converge(home, key())
    assert "services" not in outcome
    assert "change_times" not in outcome


ENTRY = {"path": "/x", "changes": ["created"]}


@pytest.mark.parametrize(
    "claim",
    [
        {"changed": 1},
        {"entries": 7},
        {"entries": [["path", "changes"]]},
        {"entries": [{"path": "/x"}]},
        {"entries": [{**ENTRY, "changes": 7}]},
        {"entries": [{**ENTRY, "path": ["/x"]}]},
        {"needs": DIGEST},
        {"needs": [hashlib.sha256(b"another user's").hexdigest()]},
        {"needs": [[DIGEST]]},
        {"observed": ["text"]},
        {"observed": {"/x": "a"}},
        {"observed": {"/x": None}},
        {"key_files": "text"},
        {"left": [None]},
        {"diff": {"prepared": "text"}},
    ],
    ids=str,
)
def test_a_malformed_answer_fails_its_own_set_only(
    home: Path, monkeypatch: pytest.MonkeyPatch, claim: dict[str, Any]
) -> None:
    good = {"changed": True, "entries": [ENTRY], "needs": [DIGEST], "observed": {"/x": "YQ=="}}
    said = iter([{**good, **claim}, good])
    monkeypatch.setattr(inspectors, "work", lambda _argument: next(said))
    sets = [{"name": name, "directory": str(home), "entries": [{"state": "file", **key()}]} for name in ("bad", "good")]
    bad, other = inspectors.converge(sets, {}, False, False)
    assert (bad["error_code"], bad["changed"]) == ("bad_answer", False)
    assert f"answered with a value of {next(iter(claim))} that cannot be used" in bad["msg"]
    assert other == {**good, "name": "good", "paths": [str(home / "key")]}


def test_an_answer_cannot_pass_for_that_of_another_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = {"changed": False, "entries": [], "name": "root", "paths": ["/etc/passwd"]}
    monkeypatch.setattr(inspectors, "work", lambda _argument: dict(claim))
    outcome = converge(home, key())
    assert (outcome["name"], outcome["paths"]) == ("test", [str(home / "key")])
