# SPDX-License-Identifier: GPL-3.0-or-later
"""The digest of a directory."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import leftovers, manifest

FILE = {"kind": "file", "mode": 0o644, "own": True, "sha256": "a" * 64}
LINK = {"kind": "link", "target": "file"}


def test_order_and_other_facts_do_not_count() -> None:
    digest = manifest.digest({"file": FILE, "link": LINK})
    assert manifest.digest({"link": {**LINK, "mode": 0o777}, "file": {**FILE, "certificate": "x"}}) == digest


@pytest.mark.parametrize("fact", [{"mode": 0o600}, {"own": False}, {"sha256": "b" * 64}, {"kind": "other"}], ids=str)
def test_what_counts(fact: dict[str, Any]) -> None:
    assert manifest.digest({"file": FILE}) != manifest.digest({"file": {**FILE, **fact}})
    assert manifest.digest({"file": FILE}) != manifest.digest({"other": FILE})


def test_temporary_files_are_not_placed() -> None:
    found = {"file": FILE, leftovers.new_name(): FILE}
    assert manifest.digest_of_placed(found) == manifest.digest({"file": FILE}) != manifest.digest(found)


def test_names_that_are_no_utf_8() -> None:
    assert manifest.digest({"\udcff": LINK}) != manifest.digest({"\udcfe": LINK})
