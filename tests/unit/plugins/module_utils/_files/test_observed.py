# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._files.observed import observe, read_through


@pytest.fixture(name="directory")
def _directory(home: Path) -> Iterator[int]:
    descriptor = os.open(home, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def test_kinds(home: Path, directory: int) -> None:
    (home / "file").write_bytes(b"content")
    (home / "directory").mkdir()
    (home / "link").symlink_to("file")
    os.mkfifo(home / "other")
    for name in ("absent", "file", "directory", "link", "other"):
        assert observe(directory, name, 100).kind == name
    assert observe(directory, "link").target == "file"


@pytest.mark.parametrize(("limit", "content"), [(None, None), (6, None), (7, b"content"), (8, b"content")])
def test_content_up_to_a_limit(home: Path, directory: int, limit: int | None, content: bytes | None) -> None:
    (home / "file").write_bytes(b"content")
    found = observe(directory, "file", limit)
    assert found.content == content
    assert (found.sha256 is None) is (content is None)


def test_links_are_read_through_to_files_that_everybody_may_read(home: Path, directory: int) -> None:
    (home / "file").write_bytes(b"content")
    (home / "link").symlink_to("file")
    (home / "file").chmod(0o644)
    assert read_through(directory, "link", 7) == b"content"
    assert read_through(directory, "link", 6) is None
    (home / "file").chmod(0o640)
    assert read_through(directory, "link", 7) is None
    (home / "null").symlink_to("/dev/null")
    assert read_through(directory, "null", 7) is None
    assert read_through(directory, "missing", 7) is None
