# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists in messages."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._common import listing


def test_names_between_commas() -> None:
    assert listing.listed(["a", "b"]) == "a, b"
    assert listing.listed(["a", "b", "c"], most=1) == "a and 2 more"


def test_items_below_a_title() -> None:
    assert listing.lines("bad", ["a", "b"]) == "bad:\n- a\n- b"
    assert listing.lines("bad", ["a", "b", "c"], most=1) == "bad:\n- a\n- and 2 more"
