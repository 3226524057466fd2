# SPDX-License-Identifier: GPL-3.0-or-later
"""Test that a certificate belongs to its owner."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity
from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.tests.support import conversions

BOB = "/DC=org/DC=example/CN=Bob"


def options(owner: str | None, subject_dn: Any = None, shared: bool = False) -> CredentialOptions:
    return conversions.options(src=f"{owner}.p12", owner=owner, subject_dn=subject_dn, allow_shared_subject=shared)


def kinds(items: list[tuple[CredentialOptions, str]], register: Register | None = None) -> list[str | None]:
    found = identity.refusals(dict(items), register or Register())
    return [found[one].error_code if one in found else None for one, _subject_dn in items]


def test_two_owners_of_one_subject_are_refused_both() -> None:
    items = [
        (options("bob"), BOB),
        (options("dave"), BOB.upper()),
        (options("eve"), "/CN=E"),
    ]
    assert kinds(items) == ["shared_subject", "shared_subject", None]


def test_the_error_names_both_and_the_remedy() -> None:
    register = Register()
    for owner in ("bob", "dave"):
        register.add(options(owner), BOB)
    with pytest.raises(GridSecurityError) as caught:
        identity.check_shared(options("dave"), BOB, register)
    for part in ("dave.p12 for dave: dave and bob", BOB, "subject_dn", "allow_shared_subject: true"):
        assert part in caught.value.message


def test_many_owners_are_counted_in_the_error() -> None:
    register = Register()
    for number in range(200):
        register.add(options(f"user{number}"), BOB)
    with pytest.raises(GridSecurityError, match="user1, .* and 189 more would have the same subject"):
        identity.check_shared(options("user0"), BOB, register)


def test_who_is_named_by_subject_dn_is_believed() -> None:
    assert kinds([(options("bob", BOB), BOB), (options("dave"), BOB)]) == [None, "shared_subject"]


@pytest.mark.parametrize("expected", [BOB.lower(), ["/CN=Other", BOB], [f"{BOB}"]])
def test_subject_dn_is_a_dn_or_a_list(expected: Any) -> None:
    assert kinds([(options("bob", expected), BOB)]) == [None]


@pytest.mark.parametrize("expected", ["/CN=Bob", ["/CN=Other", "/CN=Bob"]])
def test_another_subject_than_subject_dn_is_refused(expected: Any) -> None:
    assert kinds([(options("bob", expected), BOB)]) == ["wrong_subject"]


def test_a_wrong_archive_does_not_cost_the_right_owner() -> None:
    items = [(options("bob"), BOB), (options("dave", "/CN=Dave"), BOB)]
    assert kinds(items) == [None, "wrong_subject"]


def test_who_shares_a_subject_says_so() -> None:
    items = [(options("bob", shared=True), BOB), (options("dave", shared=True), BOB)]
    assert kinds(items) == [None, None]


def test_one_that_may_be_shared_does_not_let_in_others() -> None:
    register = Register()
    assert kinds([(options("bob"), BOB), (options("robot", shared=True), BOB)], register) == [
        None,
        None,
    ]
    assert kinds([(options("dave"), BOB)], register) == ["shared_subject"]


def test_copies_of_one_owner_and_of_none_are_no_mistake() -> None:
    items = [(options(owner), BOB) for owner in ("bob", "bob", None, None)]
    assert kinds(items) == [None] * 4


def test_an_earlier_task_counts() -> None:
    assert kinds([(options("dave"), BOB)], Register({BOB.lower(): ["bob"]})) == ["shared_subject"]
