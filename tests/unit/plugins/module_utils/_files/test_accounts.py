# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up accounts and groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import (
    accounts,
)
from ansible_collections.grid.security.tests.support.file_sets import converge, key


def test_unknown_account() -> None:
    with pytest.raises(GridSecurityError, match="no account 'nobody-of-this-name'"):
        accounts.find_account("nobody-of-this-name")


@pytest.mark.parametrize("name", ["al\0ice", "\ud800"])
def test_names_that_no_account_can_have(name: str) -> None:
    with pytest.raises(GridSecurityError, match="no name of an account") as raised:
        accounts.find_account(name)
    assert raised.value.error_code == "bad_owner"


def test_a_group_that_none_can_be_called(home: Path) -> None:
    assert converge(home, key(group="a\0b"))["error_code"] == "no_group"
