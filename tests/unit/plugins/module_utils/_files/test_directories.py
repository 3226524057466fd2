# SPDX-License-Identifier: GPL-3.0-or-later
"""Open directories. Root refuses directories in which another user can exchange something."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import directories

by_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root refuses directories of other users")


@pytest.fixture(name="etc")
def _etc() -> Iterator[Path]:
    """Yield a directory whose parents all belong to root."""
    with tempfile.TemporaryDirectory(dir="/etc") as path:
        os.chmod(path, 0o755)
        yield Path(path)


def code_of(path: Path) -> str:
    with pytest.raises(GridSecurityError) as raised, directories.open_directory(str(path)):
        pass
    return raised.value.error_code


def test_what_is_no_directory_is_named(home: Path) -> None:
    (home / "file").touch()
    (home / "link").symlink_to(".")
    assert code_of(home / "missing") == "no_directory"
    assert code_of(home / "file") == "not_a_directory"
    assert code_of(home / "link") == "not_a_directory"


def test_a_parent_directory_has_the_name_too(home: Path) -> None:
    with directories.parent_directory(f"{home}/key/") as (descriptor, name):
        assert (os.fstat(descriptor).st_ino, name) == (home.stat().st_ino, "key")
    with directories.parent_directory("/") as (descriptor, name):
        assert (os.fstat(descriptor).st_ino, name) == (os.stat("/").st_ino, ".")


@by_root
@pytest.mark.parametrize(("mode", "refused"), [(0o755, False), (0o775, False), (0o1777, False), (0o777, True)])
def test_root_refuses_directories_in_which_others_can_rename(etc: Path, mode: int, refused: bool) -> None:
    (etc / "below").mkdir()
    etc.chmod(mode)
    if refused:
        assert code_of(etc / "below") == "not_roots"
    else:
        with directories.open_directory(str(etc / "below")):
            pass


@by_root
def test_root_refuses_directories_and_links_of_users(etc: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    (etc / "theirs").mkdir()
    (etc / "link").symlink_to("/etc")
    for name in ("theirs", "link"):
        os.chown(etc / name, nobody, -1, follow_symlinks=False)
    assert code_of(etc / "theirs") == "not_roots"
    assert code_of(etc / "link" / "ssl") == "not_roots"


@by_root
def test_root_follows_links_of_root_but_not_in_the_last_part(etc: Path) -> None:
    (etc / "real/below").mkdir(parents=True)
    (etc / "link").symlink_to("real")
    (etc / "absolute").symlink_to(etc / "real")
    (etc / "loop").symlink_to("loop")
    for name in ("link", "absolute"):
        with directories.open_directory(str(etc / name / "below")) as descriptor:
            assert os.fstat(descriptor).st_ino == (etc / "real/below").stat().st_ino
        assert code_of(etc / name) == "not_a_directory"
    assert code_of(etc / "loop/below") == "not_a_directory"


@by_root
@pytest.mark.parametrize(("mode", "only_root"), [(0o755, True), (0o777, False), (0o1777, False)])
def test_who_can_put_something_there(etc: Path, mode: int, only_root: bool) -> None:
    etc.chmod(mode)
    assert directories.can_only_root_change(str(etc)) is only_root
    assert directories.can_only_root_change(str(etc / "missing/deeper")) is only_root
