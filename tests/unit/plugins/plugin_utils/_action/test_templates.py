# SPDX-License-Identifier: GPL-3.0-or-later
"""Test filling lists of the inventory item by item."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.grid.security.plugins.plugin_utils._action.templates import UNREADABLE, fill_lists

try:
    from ansible.template import trust_as_template as trusted

    LAZY = True  # ansible-core 2.19 and newer fill only what of a list is asked for
except ImportError:
    LAZY = False

    def trusted(text: str) -> str:
        return text


VAULTED = {"vault_alice": "secret {{ a", "alice": "alice"}
ALICE = {"owner": trusted("{{ alice }}"), "passphrase": trusted("{{ vault_alice }}")}
BOB = {"owner": "bob", "passphrase": trusted("{{ vault_nosuch }}")}


def filled(value: Any, **others: Any) -> list[Any] | None:
    if not LAZY:  # there every text is a template, so a passphrase is marked not to be one
        from ansible.utils.unsafe_proxy import wrap_var

        others["vault_alice"] = wrap_var(VAULTED["vault_alice"])
    variables = {**VAULTED, "users": value, **others}
    templar = Templar(DataLoader(), variables=variables)
    return fill_lists(["users", "nothing"], variables, templar.template).get("users")


def test_an_item_that_cannot_be_filled_costs_only_itself() -> None:
    alice, bob = filled([ALICE, BOB]) or []
    assert alice == {"owner": "alice", "passphrase": VAULTED["vault_alice"]}
    assert bob["owner"] == "bob"
    assert "vault_nosuch" in bob[UNREADABLE]
    assert "\n" not in bob[UNREADABLE]


def test_what_is_filled_is_not_filled_again() -> None:
    (alice,) = filled([ALICE]) or []
    assert Templar(DataLoader(), variables={"a": "x"}).template([alice])[0]["passphrase"] == VAULTED["vault_alice"]


def test_an_owner_that_cannot_be_filled_is_left_out() -> None:
    (item,) = filled([{"owner": trusted("{{ nosuch }}")}]) or []
    assert set(item) == {UNREADABLE}


@pytest.mark.skipif(not LAZY, reason="ansible-core before 2.19 fills a list as a whole to evaluate an expression")
def test_a_sum_of_lists_is_taken_apart() -> None:
    alice, bob = filled(trusted("{{ first + second }}"), first=[ALICE], second=[BOB]) or []
    assert alice["owner"] == "alice"
    assert (bob["owner"], UNREADABLE in bob) == ("bob", True)


def test_a_list_by_another_name_is_the_same_list() -> None:
    alice, bob = (
        filled(trusted("{{ site_users }}"), site_users=trusted("{{ all_users }}"), all_users=[ALICE, BOB]) or []
    )
    assert alice["owner"] == "alice"
    assert (bob["owner"], UNREADABLE in bob) == ("bob", True)


@pytest.mark.parametrize("value", [None, "text", 5, {"owner": "alice"}, "{{ nosuch }}", "{{ 5 }}"])
def test_what_is_no_list_is_left_out(value: Any) -> None:
    assert filled(trusted(value) if isinstance(value, str) else value) is None


def test_the_error_of_the_whole_list_is_not_hidden() -> None:
    def fill(_value: Any) -> Any:
        raise AnsibleError("broken")

    assert fill_lists(["users"], {"users": trusted("{{ users }}")}, fill) == {}


def test_what_is_to_be_absent_can_be_removed_without_its_passphrase() -> None:
    (item,) = filled([{**BOB, "state": "absent", "directory": trusted("/home/{{ alice }}")}]) or []
    assert (item["state"], item["directory"]) == ("absent", "/home/alice")
    (item,) = filled([{**BOB, "state": "absent", "directory": trusted("{{ nosuch }}")}]) or []
    assert "state" not in item


def test_nothing_is_removed_for_an_owner_that_cannot_be_filled() -> None:
    (item,) = filled([{"owner": trusted("{{ nosuch }}"), "state": "absent", "directory": "/home/alice"}]) or []
    assert set(item) == {UNREADABLE, "directory"}


def test_of_a_line_the_text_is_kept() -> None:
    line = '"{{ nosuch }}" alice'
    (item,) = filled([trusted(line)]) or []
    assert item["line"] == line
