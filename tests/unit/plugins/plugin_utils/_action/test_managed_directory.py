# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the comparison of a directory by one digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts, managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory


@pytest.fixture(name="directory")
def _directory(tmp_path: Path) -> ManagedDirectory:
    path = tmp_path.resolve() / "a/b"
    return ManagedDirectory("test", str(path), ["*.conf"], {"x.conf": file_facts.of_file(b"x")}, ["..", "."])


def send(file_set: dict[str, Any], contents: dict[str, str] | None = None) -> dict[str, Any]:
    (outcome,) = inspectors.converge([file_set], contents or {}, False, False)
    return outcome


def compare(directory: ManagedDirectory) -> Compared:
    return Compared(directory, send(directory.compare_set))


def write(directory: ManagedDirectory, compared: Compared) -> dict[str, Any]:
    facts = directory.wanted["x.conf"]
    entries = [file_facts.entry("x.conf", facts)]
    change = managed_directory.update_set(directory, entries, [compared.preconditions])
    return send(change, {facts["sha256"]: facts["content"]})


def test_missing_directories_are_created_and_then_nothing_differs(directory: ManagedDirectory) -> None:
    compared = compare(directory)
    assert (compared.outcome["changed"], compared.found) == (True, {})
    assert write(directory, compared)["changed"]
    assert (Path(directory.path) / "x.conf").read_bytes() == b"x"
    again = compare(directory)
    assert (again.outcome["changed"], again.found) == (False, directory.wanted)


def test_files_with_other_names_do_not_count(directory: ManagedDirectory) -> None:
    write(directory, compare(directory))
    (Path(directory.path) / "README").write_text("ours")
    assert not compare(directory).outcome["changed"]
    (Path(directory.path) / "y.conf").write_text("y")
    assert sorted(compare(directory).found) == ["x.conf", "y.conf"]


def test_a_change_since_the_comparison_is_refused(directory: ManagedDirectory) -> None:
    compared = compare(directory)
    Path(directory.path).mkdir(parents=True)
    (Path(directory.path) / "y.conf").write_text("y")
    outcome = write(directory, compared)
    assert outcome["failed"]
    assert not (Path(directory.path) / "x.conf").exists()
    with pytest.raises(GridSecurityError, match="^test: ") as caught:
        managed_directory.raise_failure([{"name": "good", "changed": True}, outcome])
    assert caught.value.error_code == outcome["error_code"]
