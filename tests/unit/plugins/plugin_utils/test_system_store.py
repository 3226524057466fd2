# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands a system is asked to run; Debian's are run for real by the integration target role_trust_anchors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import anchors, system_store
from ansible_collections.grid.security.tests.support import pki


class Recorder:
    """Stands for an action: keeps what it is asked to execute, and answers as told."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer, self.asked = answer, []  # type: ignore[var-annotated]

    def _execute_module(self, **call: Any) -> dict[str, Any]:
        self.asked.append((call["module_name"].rpartition(".")[2], call["module_args"]))
        return self.answer


def anchor(alias: str) -> anchors.Anchor:
    one = pki.issue(alias, authority=True)
    return anchors.Anchor(alias, one.certificate, one.pem, {}, set(), "test")


ONE, TWO = anchor("one"), anchor("two")


def refresh(family: str, answer: dict[str, Any]) -> list[list[str]]:
    recorder = Recorder(answer)
    wanted = system_store.place(family, [ONE], {"one": ONE.pem})
    found = {"grid-security-two.pem": {"certificate": TWO.fingerprint}}
    system_store.refresh(recorder, {}, family, wanted, found)  # type: ignore[arg-type]
    return [arguments["argv"] for _name, arguments in recorder.asked]


def test_debian_and_enterprise_linux_update_all() -> None:
    assert refresh("Debian", {}) == [["update-ca-certificates"]]
    assert refresh("RedHat", {}) == [["update-ca-trust", "extract"]]


def test_macos_adds_and_deletes_each() -> None:
    add, delete = refresh("Darwin", {})
    assert add[:2] == ["security", "add-trusted-cert"]
    assert add[-1].endswith("/grid-security-one.pem")
    assert delete[:2] == ["security", "delete-certificate"]
    assert TWO.fingerprint.replace(":", "") in delete


def test_failing_command_is_told() -> None:
    with pytest.raises(AnsibleActionFail, match=r"update-ca-certificates failed: disk full\. Install ca-certificates"):
        refresh("Debian", {"failed": True, "stderr": "disk full"})


def test_family_from_facts_or_asked_for() -> None:
    recorder = Recorder({"ansible_facts": {"ansible_os_family": "RedHat"}})
    assert system_store.detect(recorder, {"ansible_facts": {"os_family": "Debian"}}) == "Debian"  # type: ignore[arg-type]
    assert recorder.asked == []
    assert system_store.detect(recorder, {}) == "RedHat"  # type: ignore[arg-type]


def test_unknown_family() -> None:
    with pytest.raises(GridSecurityError, match=r"trust store of Gentoo is not known.*bundle_path"):
        system_store.detect(Recorder({}), {"ansible_facts": {"os_family": "Gentoo"}})  # type: ignore[arg-type]
