# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the filters that name CAs."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters

CERTIFICATE = b"DER of a certificate"
DN = "/DC=org/O=A [b]/CN=Root"
SHA256 = hashlib.sha256(CERTIFICATE).digest()
SHA1 = hashlib.sha1(CERTIFICATE, usedforsecurity=False).digest()


def matches(pattern: str, alias: str = "Root-CA", dn: str | None = DN) -> bool:
    return anchor_filters.matches(pattern, alias, dn, CERTIFICATE)


@pytest.mark.parametrize("digest", [SHA1, SHA256], ids=["SHA-1", "SHA-256"])
@pytest.mark.parametrize("separator", ["", ":"])
def test_fingerprints_in_either_case(digest: bytes, separator: str) -> None:
    text = digest.hex(separator) if separator else digest.hex()
    for spelled in (text, text.upper(), text.title()):
        assert matches(spelled)
        assert not anchor_filters.matches(spelled, "Root-CA", DN, CERTIFICATE + b"x")
    assert not matches(text[:-1] + ("0" if text[-1] != "0" else "1"))


@pytest.mark.parametrize("length", [19, 21, 31, 33])
def test_other_digits_are_an_alias(length: int) -> None:
    digits = (SHA256 + SHA1)[:length].hex()
    assert not matches(digits)
    assert matches(digits, alias=digits)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("Root-CA", True),
        ("Root-*", True),
        ("R?ot-CA", True),
        ("root-ca", False),
        ("Root", False),
        ("*", True),
        (DN, True),  # brackets are no pattern if the text is the same
        ("/DC=org/*", True),
        ("/DC=org/O=A [b]/*", False),
        ("/DC=org", False),
        ("CN=Root,O=A [b],DC=org", True),
        ("CN=*,DC=org", False),
        ("CN=Other,DC=org", False),
    ],
)
def test_aliases_and_dns(pattern: str, expected: bool) -> None:
    assert matches(pattern) is expected


def test_a_ca_without_a_dn_has_only_its_alias() -> None:
    assert matches("Root-CA", dn=None)
    assert not matches("/*", dn=None)
    assert not matches("CN=*", dn=None)


def test_an_alias_is_no_dn_and_a_dn_no_alias() -> None:
    assert not matches("/alias", alias="/alias")
    assert not matches("*Root", alias="x")


@pytest.mark.parametrize("pattern", ["XY=a", "O=A,CN=b"])
def test_a_dn_with_no_or_two_meanings(pattern: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        matches(pattern)
    assert caught.value.error_code == "bad_filter"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("Root-CA", ("Root-CA", None)),
        ("CN=Root,DC=org", ("/DC=org/CN=Root", None)),
        ({"alias": "Root-CA", "reason": "closed"}, ("Root-CA", "closed")),
        ({"dn": "CN=Root,DC=org", "reason": "closed"}, ("/DC=org/CN=Root", "closed")),
    ],
)
def test_exclusions(item: Any, expected: tuple[str, str | None]) -> None:
    assert anchor_filters.read_exclusions([item]) == [anchor_filters.Exclusion(*expected)]


@pytest.mark.parametrize(
    "item",
    [
        "",
        None,
        7,
        {},
        [],
        {"alias": "a"},
        {"reason": "closed"},
        {"alias": "a", "reason": ""},
        {"alias": "", "reason": "closed"},
        {"alias": "a", "reason": 7},
        {"alias": "/CN=a", "reason": "closed"},
        {"dn": "a", "reason": "closed"},
        {"alias": "a", "dn": "/CN=a", "reason": "closed"},
        {"alias": "a", "reason": "closed", "more": "x"},
    ],
)
def test_items_that_name_no_ca(item: Any) -> None:
    with pytest.raises(GridSecurityError, match=r"^exclude\[1\]: ") as caught:
        anchor_filters.read_exclusions(["good", item])
    assert caught.value.error_code == "bad_exclusion"
