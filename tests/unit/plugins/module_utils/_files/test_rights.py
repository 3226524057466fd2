# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide with whose rights a set is handled."""

from __future__ import annotations

import base64
import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.tests.support.file_sets import CONTENT, DIGEST, key


def place_for(user: str, directory: str) -> dict[str, Any]:
    entries = [key(state="file"), {"path": ".", "state": "directory"}]
    one = {"name": "test", "owner": user, "directory": directory, "entries": entries}
    return inspectors.converge([one], {DIGEST: base64.b64encode(CONTENT).decode()}, False, False)[0]


def owner_and_mode(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_where_only_root_can_change_anything_root_places_files_for_others() -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory(dir="/etc") as etc:  # belongs to root up to /
        os.chmod(etc, 0o755)
        made, given = Path(etc, "service"), Path(etc, "theirs")
        given.mkdir()
        os.chown(given, nobody, -1)
        for directory, owner, mode in ((made, 0, 0o755), (given, nobody, 0o755)):
            assert not place_for("nobody", str(directory)).get("failed")
            assert not place_for("nobody", str(directory))["changed"]
            assert owner_and_mode(directory) == (owner, mode)
            assert owner_and_mode(directory / "key") == (nobody, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' rights")
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_where_others_can_change_something_the_owner_s_rights_are_used(mode: int) -> None:
    with tempfile.TemporaryDirectory(dir="/etc") as etc:
        os.chmod(etc, mode)
        assert not place_for("nobody", f"{etc}/made").get("failed")
        assert Path(etc, "made").stat().st_uid == pwd.getpwnam("nobody").pw_uid
