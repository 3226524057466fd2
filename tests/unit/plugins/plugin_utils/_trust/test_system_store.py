# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands a system is asked to run; Debian's are run for real by the integration target role_trust_anchors."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchors, system_store
from ansible_collections.grid.security.tests.support import pki


class Recorder:
    """Stands for an action: keeps what it is asked to execute, and answers as told."""

    def __init__(self, answer: dict[str, Any], facts: dict[str, Any] | None = None) -> None:
        self.answer, self.task_vars = answer, {"ansible_facts": facts or {}}
        self.asked: list[dict[str, Any]] = []

    def execute(self, _module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(arguments)
        return self.answer


def anchor(alias: str) -> anchors.Anchor:
    one = pki.issue(alias, authority=True)
    return anchors.Anchor(alias, one.facts, one.pem, {}, set(), "test")


ONE, TWO = anchor("one"), anchor("two")


def refresh(family: str, answer: dict[str, Any], missing: list[str] | None = None) -> tuple[list[list[str]], Any]:
    """Return the commands that were run, and the error or None."""
    recorder = Recorder(answer)
    wanted = system_store.directory(family, [ONE], {"one": ONE.pem})
    found = {"grid-security-two.pem": {"certificate": TWO.fingerprint}}

    def send(sets: list[dict[str, Any]], _contents: dict[str, str]) -> list[dict[str, Any]]:
        return [{"missing": missing or []} for _set in sets]

    try:
        system_store.refresh(recorder, family, wanted, found, send)  # type: ignore[arg-type]
        error = None
    except GridSecurityError as raised:
        error = raised
    return [arguments["argv"] for arguments in recorder.asked], error


def test_debian_and_enterprise_linux_update_all() -> None:
    assert refresh("Debian", {}) == ([["update-ca-certificates"]], None)
    assert refresh("RedHat", {}) == ([["update-ca-trust", "extract"]], None)


def test_macos_adds_and_deletes_each() -> None:
    (add, delete), _error = refresh("Darwin", {})
    assert add[:2] == ["security", "add-trusted-cert"]
    assert add[-1].endswith("/grid-security-one.pem")
    assert delete[:2] == ["security", "delete-certificate"]
    assert TWO.fingerprint.replace(":", "") in delete


def test_failing_command_is_told() -> None:
    _commands, error = refresh("Debian", {"failed": True, "stderr": "disk full"})
    assert "update-ca-certificates failed: disk full. Install ca-certificates" in error.message


def test_what_the_system_did_not_take_up_is_told() -> None:
    _commands, error = refresh("RedHat", {}, ["grid-security-one.pem"])
    assert error.error_code == "not_in_system_store"
    assert "tls-ca-bundle.pem lacks grid-security-one.pem" in error.message


def test_family_from_facts_or_asked_for() -> None:
    asked = {"ansible_facts": {"ansible_os_family": "RedHat"}}
    known, unknown = Recorder(asked, {"os_family": "Debian"}), Recorder(asked)
    assert system_store.detect(known) == "Debian"  # type: ignore[arg-type]
    assert known.asked == []
    assert system_store.detect(unknown) == "RedHat"  # type: ignore[arg-type]


def test_unknown_family() -> None:
    with pytest.raises(GridSecurityError, match=r"trust store of Gentoo is not known.*bundle_path"):
        system_store.detect(Recorder({}, {"os_family": "Gentoo"}))  # type: ignore[arg-type]
