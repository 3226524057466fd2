# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge the copies of one CA that several sources have, with the files beside them.

Signing policies and namespaces decide which certificates of the CA are accepted. So two sources must not disagree about
them, unless the source option ``prefer`` says which of them counts. Of other files the first one counts.

Directories of IGTF's own tree have some CAs twice: as a release has them, with an ``.info`` file, and as the CA sent
them. There the files of the release count.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from ansible_collections.grid.security.plugins.module_utils._common import listing
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn, signing_policy

if TYPE_CHECKING:
    from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["explained", "merge"]

_DECISIVE = {"signing_policy": "signing policies", "namespaces": "namespaces"}
_REMEDY = (
    "Set prefer: true in the source whose files count, or exclude the CA. If both files are in one source, name the"
    " directory that counts as a source of its own. If both files are in one directory, remove one of them."
)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)


def merge(copies: list[Anchor]) -> Anchor:
    """Return the first copy that counts, with the profiles and files of all copies, and the conflicts between them.

    :param copies: of the same certificate, in the order of the sources.
    """
    first = _published(copies)[0]
    first.profiles = set().union(*(copy.profiles for copy in copies))
    differing: dict[str, list[str]] = {}
    for ending in dict.fromkeys(ending for copy in copies for ending in copy.files):
        having = _published([copy for copy in copies if ending in copy.files])
        counting = [copy for copy in having if copy.preferred] or having
        other = _other(counting, ending) if ending in _DECISIVE else None
        if other:
            differing.setdefault(f"{counting[0].where} and {other.where}", []).append(_DECISIVE[ending])
        first.files[ending] = counting[0].files[ending]
    first.conflicts += [
        f"{first.alias}: {sources} have different {' and '.join(kinds)}" for sources, kinds in differing.items()
    ]
    return first


def _published(copies: list[Anchor]) -> list[Anchor]:
    """Return the copies without those that lie in one directory with a copy that has an ``.info`` file."""
    published = {os.path.dirname(copy.where) for copy in copies if "info" in copy.files}
    return [copy for copy in copies if "info" in copy.files or os.path.dirname(copy.where) not in published]


def _other(copies: list[Anchor], ending: str) -> Anchor | None:
    """Return a copy whose file does not mean the same as that of the first copy."""
    differing = [copy for copy in copies[1:] if copy.files[ending] != copies[0].files[ending]]
    wanted = _meaning(copies[0], ending) if differing else None
    return next((copy for copy in differing if _meaning(copy, ending) != wanted), None)


def explained(conflicts: list[str]) -> str:
    """Return the message about all conflicts, with the remedy; nothing without conflicts."""
    if not conflicts:
        return ""
    if len(conflicts) == 1:
        return f"{conflicts[0]}. {_REMEDY}"
    return f"{listing.lines('these CAs have several versions of a file', conflicts)}\n{_REMEDY}"


def _meaning(anchor: Anchor, ending: str) -> object:
    """Return what a file says, without comments and spaces."""
    text = anchor.files[ending].decode(errors="replace")
    if ending == "signing_policy":
        patterns = signing_policy.patterns_of(signing_policy.parse(text), anchor.subject_dn) or []
        return {one_line_dn.comparable(pattern) for pattern in patterns}
    return _COMMENT.sub("", text).replace("\\\n", " ").split()
