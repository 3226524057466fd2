# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a file set asks for, path by path, and what has to be done for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import secure_fs

__all__ = ["Entry", "Step", "parse"]


@dataclass(frozen=True)
class Entry:
    """One path and what it should be; the fields are those of the module's option ``entries``.

    :param uid: the user id that the file should have; -1 keeps the user of this process.
    :param gid: the group id that the file should have; -1 keeps the group.

    :param empty_directory: it is a directory, which is removed if it is empty, and stays otherwise.
    """

    path: str
    state: str = "file"
    mode: int | None = None
    initial_mode: int = 0o700
    uid: int = -1
    gid: int = -1
    target: str | None = None
    sha256: str | None = None
    size: int = 0
    secret: bool = False
    backup: bool = False
    observe: bool = False
    privatekey: bool = False
    beside: bool = False
    certificates: list[str] | None = None
    recall: bool = False
    empty_directory: bool = False


@dataclass
class Step:
    """What is to be done for an entry: nothing if ``changes`` is empty.

    :param rewrite: write the file anew. :param kept: keep its present content.
    :param left: do not remove the file; see :mod:`beside`.
    """

    entry: Entry
    before: secure_fs.Observed
    changes: list[str] = field(default_factory=list)
    rewrite: bool = False
    kept: bool = False
    left: bool = False

    @property
    def needs(self) -> str | None:
        """The digest of the content that the step writes, if the content has to be sent."""
        return str(self.entry.sha256) if self.rewrite and not self.kept else None


def parse(fields: dict[str, Any], uid: int, gid: int) -> Entry:
    """Return the entry for an item of the option ``entries``, with the ids of its owner and group.

    :raises GridSecurityError: ``bad_mode``.
    """
    known = {name: value for name, value in fields.items() if name in Entry.__dataclass_fields__}
    for name in ("mode", "initial_mode"):
        if known.get(name) is not None:
            known[name] = _parse_mode(known[name], known["path"])
    return Entry(**{**known, "uid": uid, "gid": gid})


def _parse_mode(mode: Any, path: str) -> int:
    """Permission bits from text in octal, or from a number, which is what YAML makes of an unquoted ``0600``."""
    try:
        bits = mode if isinstance(mode, int) else int(mode, 8)
    except (TypeError, ValueError):
        bits = -1
    if not 0 <= bits <= 0o7777:
        raise GridSecurityError("bad_mode", f'{path}: {mode!r} is no mode. Write it in octal and quoted: "0600".')
    return bits
