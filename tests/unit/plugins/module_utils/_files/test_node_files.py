# SPDX-License-Identifier: GPL-3.0-or-later
"""Read an archive that lies on the node."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import node_files


def test_content(home: Path) -> None:
    (home / "alice.p12").write_bytes(b"archive")
    assert node_files.read(str(home / "alice.p12"), None) == b"archive"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("missing", "does not exist"),
        ("large", "larger than 1 MiB"),
        (".", "is no regular file"),
        ("link", "is no"),
    ],
)
def test_what_is_no_archive(home: Path, name: str, cause: str) -> None:
    (home / "large").write_bytes(bytes((1 << 20) + 2))
    (home / "link").symlink_to("large")
    with pytest.raises(GridSecurityError, match=cause) as raised:
        node_files.read(f"{home}/{name}", None)
    assert raised.value.error_code == "no_source"
