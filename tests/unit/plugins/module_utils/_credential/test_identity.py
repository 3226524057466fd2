# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose certificate it is."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity
from ansible_collections.grid.security.plugins.module_utils._credential.identity import Register

BOB = "/DC=org/DC=example/CN=Bob"


def options(owner: str | None, subject_dn: Any = None, shared: bool = False) -> dict[str, Any]:
    return {"owner": owner, "subject_dn": subject_dn, "allow_shared_subject": shared}


def outcome(subject_dn: str) -> dict[str, Any]:
    return {"facts": {"subject_dn": subject_dn}}


def kinds(items: list[tuple[dict[str, Any], Any]], register: Register | None = None) -> list[str | None]:
    given, outcomes = [one for one, _outcome in items], [one for _options, one in items]
    found = identity.identify(given, outcomes, register or Register(), lambda one: f"{one['owner']}.p12")
    return [one.error_code if isinstance(one, GridSecurityError) else None for one in found]


def test_two_owners_of_one_subject_are_refused_both() -> None:
    items = [
        (options("bob"), outcome(BOB)),
        (options("dave"), outcome(BOB.upper())),
        (options("eve"), outcome("/CN=E")),
    ]
    assert kinds(items) == ["shared_subject", "shared_subject", None]


def test_the_error_names_both_and_the_remedy() -> None:
    register = Register()
    for owner in ("bob", "dave"):
        register.add(options(owner), BOB)
    with pytest.raises(GridSecurityError) as caught:
        identity.check_shared(options("dave"), BOB, register, "dave.p12")
    for part in ("dave.p12: dave and bob", BOB, "subject_dn", "allow_shared_subject: true"):
        assert part in caught.value.message


def test_many_owners_are_counted_in_the_error() -> None:
    register = Register()
    for number in range(200):
        register.add(options(f"user{number}"), BOB)
    with pytest.raises(GridSecurityError, match="user1, .* and 189 more would have the same subject"):
        identity.check_shared(options("user0"), BOB, register, "user0.p12")


def test_who_is_named_by_subject_dn_is_believed() -> None:
    assert kinds([(options("bob", BOB), outcome(BOB)), (options("dave"), outcome(BOB))]) == [None, "shared_subject"]


@pytest.mark.parametrize("expected", [BOB.lower(), ["/CN=Other", BOB], [f"{BOB}"]])
def test_subject_dn_is_a_dn_or_a_list(expected: Any) -> None:
    assert kinds([(options("bob", expected), outcome(BOB))]) == [None]


@pytest.mark.parametrize("expected", ["/CN=Bob", ["/CN=Other", "/CN=Bob"]])
def test_another_subject_than_subject_dn_is_refused(expected: Any) -> None:
    assert kinds([(options("bob", expected), outcome(BOB))]) == ["wrong_subject"]


def test_a_wrong_archive_does_not_cost_the_right_owner() -> None:
    items = [(options("bob"), outcome(BOB)), (options("dave", "/CN=Dave"), outcome(BOB))]
    assert kinds(items) == [None, "wrong_subject"]


def test_who_shares_a_subject_says_so() -> None:
    items = [(options("bob", shared=True), outcome(BOB)), (options("dave", shared=True), outcome(BOB))]
    assert kinds(items) == [None, None]


def test_one_that_may_be_shared_does_not_let_in_others() -> None:
    register = Register()
    assert kinds([(options("bob"), outcome(BOB)), (options("robot", shared=True), outcome(BOB))], register) == [
        None,
        None,
    ]
    assert kinds([(options("dave"), outcome(BOB))], register) == ["shared_subject"]


def test_copies_of_one_owner_and_of_none_are_no_mistake() -> None:
    items = [(options(owner), outcome(BOB)) for owner in ("bob", "bob", None, None)]
    assert kinds(items) == [None] * 4


def test_an_earlier_task_counts() -> None:
    assert kinds([(options("dave"), outcome(BOB))], Register({BOB.lower(): ["bob"]})) == ["shared_subject"]


def test_an_error_stays_what_it_is() -> None:
    error = GridSecurityError("not_pkcs12", "no")
    assert kinds([(options("bob"), error), (options("dave"), outcome(BOB))]) == ["not_pkcs12", None]
