# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the words for the difference of two descriptions of a file."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts

FILE = {**file_facts.of_file(b"a"), "own": True}
LINK = {**file_facts.of_link("a"), "leads_to": FILE["sha256"]}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (None, FILE, "missing"),
        (FILE, None, "unwanted"),
        (file_facts.of_link("a"), FILE, "now a file, was a link"),
        (LINK, FILE, "now a file, was a link with the same content"),
        (LINK, file_facts.of_file(b"b"), "now a file, was a link with other content"),
        ({**LINK, "target": "b"}, LINK, "other target with the same content"),
        (FILE, file_facts.of_link("a"), "now a link, was a file"),
        (file_facts.of_link("a"), file_facts.of_link("b"), "other target"),
        (file_facts.of_file(b"b"), FILE, "other content"),
        ({**FILE, "own": False, "mode": 0o600}, FILE, "other owner, mode 0600 → 0644"),
    ],
)
def test_words_hold_before_and_after_the_change(before: Any, after: Any, words: str) -> None:
    assert file_facts.describe_difference(before, after) == words
