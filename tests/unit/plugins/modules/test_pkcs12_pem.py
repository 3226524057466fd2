# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the check of the items of ``credentials``."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential.options import OPTIONS
from ansible_collections.grid.security.plugins.modules import pkcs12_pem


class Failed(Exception):
    """The module failed."""


def module(*items: dict[str, Any]) -> Any:
    def fail(msg: str) -> None:
        raise Failed(msg)

    return SimpleNamespace(params={"credentials": list(items)}, no_log_values=set(), fail_json=fail)


def test_items_are_completed() -> None:
    (item,) = pkcs12_pem._items(module({"src": "a.p12", "kdf_iterations": "1000", "passphrase": 12345}))
    assert set(item) == set(OPTIONS)
    assert (item["kdf_iterations"], item["passphrase"], item["state"]) == (1000, "12345", "present")


def test_each_secret_of_each_item_is_hidden() -> None:
    secrets = {"content": "a", "privatekey_content": "b", "passphrase": "c", "privatekey_passphrase": 4}
    given = module({"owner": "alice", **secrets}, {"owner": "bob", "passphrase": "e", "privatekey_passphrase": None})
    pkcs12_pem._items(given)
    assert given.no_log_values == {"a", "b", "c", "4", "e"}


def test_an_item_that_is_wrong_fails_after_its_secrets_are_hidden() -> None:
    given = module({"src": "a.p12"}, {"passphrase": "secret", "state": "gone", "sorce": "b.p12"})
    with pytest.raises(Failed, match=r"value of state must be one of: present, absent, got: gone; sorce\."):
        pkcs12_pem._items(given)
    assert given.no_log_values == {"secret"}
