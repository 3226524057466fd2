# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on one set: compare it, apply it, or tell whether a path exists."""

from __future__ import annotations

import dataclasses
import os
import pwd
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import (
    manifest,
    scan,
)
from ansible_collections.grid.security.tests.support import pki
from ansible_collections.grid.security.tests.support.file_sets import converge, key


def test_more_is_needed_than_was_asked_for(home: Path) -> None:
    """Somebody changed another file between the two calls."""
    other = key(path="other", sha256="0" * 64)
    result = converge(home, key(), other)
    assert result["error_code"] == "changed_meanwhile"
    assert str(home / "other") in result["msg"]
    assert not list(home.iterdir())


def test_leftovers_count_when_a_directory_is_compared(home: Path) -> None:
    expected = {"patterns": ["*.pem"], "sha256": manifest.digest({})}
    one = {"name": "test", "directory": str(home), "entries": [], "manifest": expected}
    assert not inspectors.converge([one], {}, False, False)[0]["changed"]
    (home / ".grid-security-0123.tmp").write_bytes(b"half")
    result = inspectors.converge([one], {}, False, False)[0]
    assert result["changed"]
    assert list(result["found"]) == [".grid-security-0123.tmp"]


def exists(directory: Path | str, name: str = "certificates", owner: str | None = None) -> dict[str, Any]:
    one = {"name": "t", "owner": owner, "directory": str(directory), "entries": [], "exists": {"path": name}}
    return inspectors.converge([one], {}, False, False)[0]


def test_yes_or_no(home: Path) -> None:
    assert exists(home)["exists"] is False
    assert exists(home / "missing")["exists"] is False
    (home / "file").touch()
    assert exists(home / "file")["exists"] is False
    os.symlink(b"\xff", os.fsencode(home / "certificates"))
    found = exists(home)
    assert found == {"name": "t", "paths": [], "changed": False, "entries": [], "exists": True}
    (home / "link").symlink_to(".")
    assert exists(home / "link")["exists"] is True, "clients follow it, too"


def test_look_that_fails_says_so(home: Path) -> None:
    (home / "link").symlink_to("link")
    found = exists(home / "link")
    assert (found["failed"], found["error_code"]) == (True, "os_error")
    if os.geteuid() == 0:
        closed = Path(tempfile.mkdtemp(dir="/var/tmp"))
        try:
            os.chown(closed, pwd.getpwnam("daemon").pw_uid, -1)
            assert exists(closed, owner="nobody")["failed"]
        finally:
            closed.rmdir()


def test_a_directory_that_is_as_it_should_be_is_not_read_for_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "one.pem").write_bytes(pki.issue("CA", authority=True).pem)
    blind = dataclasses.replace(inspectors.INSPECTORS, describe_file=None, describe_linked=None)
    monkeypatch.setattr(inspectors, "INSPECTORS", blind)
    expected = manifest.digest(scan.scan(str(home), ["*"]))
    one = {"name": "t", "directory": str(home), "entries": [], "manifest": {"patterns": ["*"], "sha256": expected}}
    assert inspectors.converge([one], {}, False, False)[0]["changed"] is False
