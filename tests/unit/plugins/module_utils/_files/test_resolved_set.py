# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve the owner and the paths of a file set."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors


@pytest.mark.parametrize("name", ["key\0", "key\ud800"])
@pytest.mark.parametrize("where", ["path", "target", "directory"])
@pytest.mark.parametrize("owner", [None, "nobody"])
def test_what_no_file_can_be_called_is_one_clear_error(home: Path, name: str, where: str, owner: str | None) -> None:
    link = {"path": "link", "state": "link", "target": "key", **({where: name} if where != "directory" else {})}
    directory = f"{home}/{name}" if where == "directory" else str(home)
    one = {"name": "test", "owner": owner, "directory": directory, "entries": [link]}
    (result,) = inspectors.converge([one], {}, False, False)
    assert result["error_code"] == "bad_path"
    assert result["msg"].startswith(f"{where}: ")
    assert result["msg"].isprintable()
    assert not list(home.iterdir())


def test_an_owner_that_no_account_can_have_is_an_error_even_for_a_removal(home: Path) -> None:
    one = {"name": "t", "owner": "al\0ice", "directory": str(home), "entries": [{"path": "key", "state": "absent"}]}
    assert inspectors.converge([one], {}, False, False)[0]["error_code"] == "bad_owner"
    one["owner"] = "nobody-of-that-name"
    assert not inspectors.converge([one], {}, False, False)[0].get("failed")


def test_relative_directories_are_refused() -> None:
    one = {"name": "test", "directory": "certificates", "entries": [{"path": "key", "state": "absent"}]}
    assert inspectors.converge([one], {}, False, False)[0]["error_code"] == "bad_path"


def test_directory_directly_below_the_root() -> None:
    """What is above it is there, and stays as it is."""
    entries = [{"path": "..", "state": "directory", "initial_mode": "0755"}, {"path": ".", "state": "directory"}]
    one = {"name": "test", "directory": "/grid-security-of-a-test", "entries": entries}
    before = os.stat("/").st_mode
    (found,) = inspectors.converge([one], {}, True, False)
    assert [entry["path"] for entry in found["entries"]] == ["/grid-security-of-a-test"]
    assert found["paths"] == ["/", "/grid-security-of-a-test"]
    try:
        (made,) = inspectors.converge([one], {}, False, False)
        assert made.get("changed") or made["error_code"] == "os_error"
        (again,) = inspectors.converge([one], {}, False, False)
        assert again.get("failed") == made.get("failed")
        assert not again["changed"]
    finally:
        with contextlib.suppress(OSError):
            os.rmdir("/grid-security-of-a-test")
    assert os.stat("/").st_mode == before
    assert inspectors.converge([{**one, "directory": "/"}], {}, False, False)[0]["changed"] is False
