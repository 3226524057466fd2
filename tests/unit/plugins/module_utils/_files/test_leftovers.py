# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of temporary files."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import leftovers


def test_new_names_differ_and_are_leftovers() -> None:
    names = {leftovers.new_name() for _number in range(100)}
    assert len(names) == 100
    assert all(map(leftovers.is_leftover, names))
    assert leftovers.is_leftover(leftovers.LOCK)


@pytest.mark.parametrize("name", ["key", ".grid-security-x", "x.tmp", "a.grid-security-x.tmp", ".grid-security-\n.tmp"])
def test_other_names(name: str) -> None:
    assert not leftovers.is_leftover(name)
