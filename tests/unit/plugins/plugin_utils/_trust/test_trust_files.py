# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files may be removed from a trust directory."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_files

FILE = {"kind": "file"}
CA = {**FILE, "ca": True}
KEY = {**FILE, "private_key": True}
DANGLING = {"kind": "link", "dangling": True}


@pytest.mark.parametrize(
    ("name", "facts", "beside", "expected"),
    [
        ("a.pem", CA, {}, True),
        ("a.pem", FILE, {}, False),
        ("a.pem", DANGLING, {}, True),
        ("a.pem", {"kind": "link"}, {}, False),
        ("a.pem", {**CA, **KEY}, {}, False),
        ("a.pem", FILE, {"a.signing_policy": FILE}, True),
        ("a.pem", FILE, {"a.namespaces": FILE}, True),
        ("a.pem", FILE, {"a.crl_url": FILE}, True),
        ("a.pem", FILE, {"a.info": FILE}, False),
        ("a.pem", FILE, {"b.signing_policy": FILE}, False),
        ("a.pem", KEY, {"a.signing_policy": FILE}, False),
        ("a.pem", {"kind": "directory", "ca": True}, {}, False),
        ("a.info", FILE, {}, False),
        ("a.info", FILE, {"a.pem": CA}, True),
        ("a.info", FILE, {"a.pem": FILE}, False),
        ("a.info", FILE, {"a.crl_url": FILE}, True),
        ("a.info", CA, {"a.pem": FILE}, False),
        ("a.crl_url", FILE, {}, True),
        ("01234567.0", FILE, {}, True),
        ("01234567.0", KEY, {}, False),
        (".grid-security-0123.tmp", FILE, {}, True),
        (".grid-security-0123.tmp", KEY, {}, False),
    ],
)
def test_what_may_be_removed(name: str, facts: dict[str, Any], beside: dict[str, Any], expected: bool) -> None:
    assert trust_files.is_removable(name, {name: facts, **beside}) is expected


def test_a_warning_only_if_files_are_left() -> None:
    assert trust_files.warning("/store", []) == []
    (line,) = trust_files.warning("/store", ["a.pem", "b.pem"])
    assert line.startswith("/store: ")
    assert "a.pem, b.pem" in line
