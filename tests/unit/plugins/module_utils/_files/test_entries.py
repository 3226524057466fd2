# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a file set."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.entries import Entry, Step, parse
from ansible_collections.grid.security.plugins.module_utils._files.observed import Observed


@pytest.mark.parametrize(("mode", "bits"), [("0600", 0o600), ("755", 0o755), (0o1777, 0o1777), (0, 0)])
def test_modes_are_octal_text_or_numbers(mode: Any, bits: int) -> None:
    entry = parse({"path": "/x", "mode": mode, "initial_mode": mode}, -1, -1)
    assert (entry.mode, entry.initial_mode) == (bits, bits)


@pytest.mark.parametrize("mode", ["rw", "u+x", "0800", "10000", -1, [], ""])
def test_other_modes_are_refused(mode: Any) -> None:
    with pytest.raises(GridSecurityError, match="is no mode") as raised:
        parse({"path": "/x", "mode": mode}, -1, -1)
    assert raised.value.error_code == "bad_mode"


def test_without_modes_directories_are_private_and_present_modes_stay() -> None:
    entry = parse({"path": "/x", "owner": "root", "unknown": 1}, 3, 4)
    assert (entry.mode, entry.initial_mode, entry.uid, entry.gid) == (None, 0o700, 3, 4)


@pytest.mark.parametrize(
    ("rewrite", "kept", "needs"), [(True, False, "digest"), (True, True, None), (False, False, None)]
)
def test_only_new_content_has_to_be_sent(rewrite: bool, kept: bool, needs: str | None) -> None:
    assert Step(Entry("/x", sha256="digest"), Observed("absent"), rewrite=rewrite, kept=kept).needs == needs
