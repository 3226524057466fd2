# SPDX-License-Identifier: GPL-3.0-or-later
"""Record, compare and restore everything below a directory."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from ansible_collections.grid.security.plugins.module_utils._files.leftovers import is_leftover

__all__ = ["Item", "Tree", "has_leftovers", "is_lock", "leftovers", "restore", "snapshot"]


class Item(NamedTuple):
    """Hold the item at a path: a ``file`` with its bytes, a ``link`` with its target, or a ``directory``."""

    kind: str
    mode: int
    ids: tuple[int, int]
    content: bytes


Tree = dict[str, Item]


def snapshot(root: Path) -> Tree:
    """Return everything below ``root`` by relative path. A directory comes before its contents."""
    return {str(path.relative_to(root)): _item(path) for path in sorted(root.rglob("*"))}


def _item(path: Path) -> Item:
    status = path.lstat()
    mode, ids = stat.S_IMODE(status.st_mode), (status.st_uid, status.st_gid)
    if path.is_symlink():
        return Item("link", 0, ids, os.fsencode(path.readlink()))
    return Item("directory", mode, ids, b"") if path.is_dir() else Item("file", mode, ids, path.read_bytes())


def restore(root: Path, tree: Tree) -> None:
    """Restore the state ``tree`` below ``root``."""
    for path in root.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, item in tree.items():
        path = root / name
        if item.kind == "link":
            path.symlink_to(os.fsdecode(item.content))
        elif item.kind == "directory":
            path.mkdir()
        else:
            path.write_bytes(item.content)
        os.chown(path, *item.ids, follow_symlinks=False)
        if item.kind != "link":
            path.chmod(item.mode)


def is_lock(path: str) -> bool:
    """Return whether the path is the lock file of runs."""
    return os.path.basename(path) == ".grid-security-lock.tmp"


def leftovers(tree: Tree) -> Tree:
    """Return the items with temporary names."""
    return {name: item for name, item in tree.items() if is_leftover(os.path.basename(name))}


def has_leftovers(root: Path) -> bool:
    """Return whether an item below ``root`` has a temporary name, also while a process works there."""
    return any(is_leftover(path.name) for path in root.rglob("*"))
