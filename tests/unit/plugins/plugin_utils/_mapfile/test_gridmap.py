# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the lines of grid-mapfiles."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import gridmap
from ansible_collections.grid.security.plugins.plugin_utils._mapfile.gridmap import Mapping


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"/DC=org/CN=Alice A" alice', Mapping("/DC=org/CN=Alice A", ("alice",))),
        ('  "/DC=org/CN=Alice"   alice,.pool ', Mapping("/DC=org/CN=Alice", ("alice", ".pool"))),
        ("/DC=org/CN=Alice alice", Mapping("/DC=org/CN=Alice", ("alice",))),
        (r'"/CN=\x41lice" alice', Mapping("/CN=Alice", ("alice",))),
        (r'"/CN=Jos\xc3\xa9" jose', Mapping(r"/CN=Jos\xC3\xA9", ("jose",))),
        (r'"/CN=\\x41" eve', Mapping(r"/CN=\x41", ("eve",))),
        (r'"/CN=host\/node" node', Mapping("/CN=host/node", ("node",))),
        (r'"/CN=host\\/node" node', Mapping("/CN=host/node", ("node",))),
        ('"CN=Alice,DC=org" alice', Mapping("/DC=org/CN=Alice", ("alice",))),
    ],
)
def test_lines(line: str, expected: Mapping) -> None:
    assert gridmap.parse(line) == expected


@pytest.mark.parametrize(
    "line",
    ["", "# comment", '"/CN=Alice"', '"CN=Alice,O=Grid" alice', '"/CN=Alice" al/ice', '"/CN=A" a,', r'"/CN=A\" alice'],
)
def test_what_is_no_line(line: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        gridmap.parse(line)
    assert caught.value.error_code == "bad_mapping"


@pytest.mark.parametrize(
    ("dn", "accounts"),
    [
        ("/CN=A\nB", ["a"]),
        ("/CN=A\x0bB", ["a"]),
        ("/CN=\ud83d", ["a"]),
        ('/CN="A"', ["a"]),
        ("/CN=A", []),
        (None, ["a"]),
    ],
)
def test_what_cannot_be_written(dn: Any, accounts: list[str]) -> None:
    with pytest.raises(GridSecurityError):
        gridmap.validated(dn, accounts)


def test_names_that_openssl_3_prints_otherwise_have_two_lines() -> None:
    text = gridmap.render([Mapping("/CN=host/a+b", ("a",))])
    assert text == '"/CN=host/a+b" a\n"/CN=host\\x5C/a\\x5C+b" a\n'
    assert gridmap.render(gridmap.read(text)) == text
    assert gridmap.kept(gridmap.read(text), "a", {"/cn=host/a+b"}) == []


def test_file_keeps_the_order_given() -> None:
    mappings = [Mapping("/CN=B", ("bob",)), Mapping("/CN=A", ("alice",)), Mapping("/CN=*", (".pool",))]
    assert gridmap.render(mappings) == '"/CN=B" bob\n"/CN=A" alice\n"/CN=*" .pool\n'


def test_one_dn_has_one_line_with_all_its_accounts() -> None:
    mappings = [Mapping("/CN=B", ("bob",)), Mapping("/CN=A", ("alice",)), Mapping("/CN=b", ("bob", "robert"))]
    assert gridmap.render(mappings) == '"/CN=B" bob,robert\n"/CN=A" alice\n'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/DC=org/CN=Alice", "/dc=ORG/cn=ALICE"),
        ("/CN=A/Email=a@b.org", "/CN=A/emailAddress=a@b.org"),
        ("/CN=A/E=a@b.org", "/CN=A/Email=a@b.org"),
        ("/UID=a/CN=A", "/USERID=a/CN=A"),
    ],
)
def test_what_globus_takes_for_the_same(one: str, other: str) -> None:
    assert one_line_dn.comparable(one) == one_line_dn.comparable(other)
    assert gridmap.render([Mapping(one, ("a",)), Mapping(other, ("b",))]).count("\n") == 1


@pytest.mark.parametrize(("one", "other"), [("/CN=É", "/CN=é"), ("/CN=A B", "/CN=A  B"), ("/CN=A", "/CN=A/CN=A")])
def test_what_globus_takes_for_two(one: str, other: str) -> None:
    assert one_line_dn.comparable(one) != one_line_dn.comparable(other)


@pytest.mark.parametrize(
    ("dn", "written"),
    [
        (r"/CN=\x41", r"/CN=\x5Cx41"),  # else Globus reads A
        (r"/CN=Jos\xC3\xA9", r"/CN=Jos\xC3\xA9"),
        (r"/CN=a\b", r"/CN=a\x5Cb"),
        (r"/CN=\xC", r"/CN=\x5CxC"),
        ("/CN=a\\", r"/CN=a\x5C"),
        (r"/CN=\\x00", r"/CN=\x5C\x00"),
    ],
)
def test_backslashes_are_written_so_that_they_are_read_again(dn: str, written: str) -> None:
    text = gridmap.render([Mapping(dn, ("a",))])
    assert text == f'"{written}" a\n'
    assert gridmap.parse(text) == Mapping(dn, ("a",))


def test_reading_a_file_leaves_out_what_is_no_line() -> None:
    text = '# site\n"/CN=A" alice\n\nnonsense\n"/CN=B" bob,bert\n'
    assert gridmap.read(text) == [Mapping("/CN=A", ("alice",)), Mapping("/CN=B", ("bob", "bert"))]


def test_what_is_in_place_stays_for_one_account_only() -> None:
    present = [Mapping("/CN=Bob", ("bob", "dave")), Mapping("/CN=Dave", ("dave",)), Mapping("/CN=A", ("alice",))]
    assert gridmap.kept(present, "dave", {"/cn=bob"}) == [Mapping("/CN=Dave", ("dave",))]
    assert gridmap.kept(present, "bob", set()) == [Mapping("/CN=Bob", ("bob",))]
