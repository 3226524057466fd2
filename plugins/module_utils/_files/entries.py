# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the entries of a file set, and the step that a plan has for each entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.observed import Observed

__all__ = ["Entry", "Step", "parse"]


@dataclass(frozen=True)
class Entry:
    """A path and its wanted state. Fields that are not described here are options of ``entries`` in ``file_set``.

    :param uid: the user id that the file should have; -1 keeps the user of this process.
    :param gid: the group id that the file should have; -1 keeps the group.
    :param sha256: the digest of the wanted content.
    :param size: the size of the wanted content in bytes.
    :param observe: report the public part of a file that differs.
    :param privatekey: report facts about a private key that differs.
    :param certificates: the fingerprints that the certificate of this file may have; see :mod:`beside`.
    :param beside: the file depends on the certificate of the set; see :mod:`beside`.
    :param recall: report the content of a file that differs. The controller placed this file.
    :param empty_directory: the path is a directory, which is removed if it is empty, and otherwise stays.
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
    """The changes for an entry. Without ``changes`` there is nothing to do.

    :param before: the present state of the path.
    :param rewrite: write the file anew.
    :param kept: keep the present content.
    :param left: do not remove the file; see :mod:`beside`.
    """

    entry: Entry
    before: Observed
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
    """Return permission bits from octal text, or from a number: YAML makes a number of an unquoted ``0600``."""
    try:
        bits = mode if isinstance(mode, int) else int(mode, 8)
    except (TypeError, ValueError):
        bits = -1
    if not 0 <= bits <= 0o7777:
        raise GridSecurityError("bad_mode", f'{path}: {mode!r} is no mode. Write it in octal and quoted: "0600".')
    return bits
