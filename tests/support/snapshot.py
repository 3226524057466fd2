# SPDX-License-Identifier: GPL-3.0-or-later
"""Record trees for later comparisons: each inode with owner, mode, times, attributes and content."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["Tree", "differences", "take"]

Tree = dict[str, dict[str, Any]]


def take(*roots: Path) -> Tree:
    """Return everything at and below the roots by path, without following links."""
    return {os.fsdecode(path): _facts(path) for root in roots for path in _below(os.fsencode(root))}


def _below(root: bytes) -> Iterable[bytes]:
    yield root
    if os.path.isdir(root) and not os.path.islink(root):
        for name in sorted(os.listdir(root)):
            yield from _below(os.path.join(root, name))


def _facts(path: bytes) -> dict[str, Any]:
    status = os.lstat(path)
    facts = {
        name: getattr(status, f"st_{name}")
        for name in ("mode", "ino", "uid", "gid", "nlink", "size", "mtime_ns", "ctime_ns")
    }
    if stat.S_ISLNK(status.st_mode):
        return {**facts, "target": os.readlink(path)}
    facts["attributes"] = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    if stat.S_ISREG(status.st_mode):
        with open(path, "rb") as stream:
            facts["content"] = hashlib.sha256(stream.read()).hexdigest()
    return facts


def differences(before: Tree, after: Tree, ignore: Iterable[str] = ()) -> list[str]:
    """Return a line for each change. :param ignore: facts that may differ."""
    lines = [f"{path!r} is {'gone' if path in before else 'new'}" for path in sorted(set(before) ^ set(after))]
    for path in sorted(set(before) & set(after)):
        changed = [name for name, value in before[path].items() if after[path].get(name) != value]
        lines += [f"{path!r}: {name} changed" for name in changed if name not in ignore]
    return lines
