# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of grid-mapfiles."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils import gridmap
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"/DC=org/CN=Alice A" alice', ("/DC=org/CN=Alice A", ["alice"])),
        ('  "/DC=org/CN=Alice"   alice,.pool ', ("/DC=org/CN=Alice", ["alice", ".pool"])),
        ("/DC=org/CN=Alice alice", ("/DC=org/CN=Alice", ["alice"])),
    ],
)
def test_lines(line: str, expected: tuple[str, list[str]]) -> None:
    assert gridmap.parse(line) == expected


@pytest.mark.parametrize(
    "line", ["", "# comment", '"/CN=Alice"', '"CN=Alice,DC=org" alice', '"/CN=Alice" al/ice', '"/CN=A" a,']
)
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        gridmap.parse(line)
    assert caught.value.kind == "bad_mapping"


@pytest.mark.parametrize(("dn", "accounts"), [("/CN=A\nB", ["a"]), ('/CN="A"', ["a"]), ("/CN=A", []), (None, ["a"])])
def test_what_cannot_be_written(dn: Any, accounts: list[str]) -> None:
    with pytest.raises(GridSecurityError):
        gridmap.validated(dn, accounts)


def test_file_is_sorted_and_merged() -> None:
    mappings = [("/CN=B", ["bob"]), ("/CN=A", ["alice"]), ("/CN=B", ["bob", "robert"])]
    assert gridmap.render(mappings) == '"/CN=A" alice\n"/CN=B" bob,robert\n'
    assert [gridmap.parse(line) for line in gridmap.render(mappings).splitlines()] == [
        ("/CN=A", ["alice"]),
        ("/CN=B", ["bob", "robert"]),
    ]
