# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between texts, for people."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils.errors import readable

__all__ = ["unified"]

_MOST = 2000  # lines; difflib's time may grow with their number squared


def unified(before: str, after: str, path: str) -> Iterator[str]:
    """The lines of a unified diff, each with its end; of long texts only how long they are."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > _MOST:
        yield f"# {path}: {len(old)} lines become {len(new)}, too many to be compared\n"
        return
    for line in difflib.unified_diff(old, new, path, path, lineterm=""):
        yield f"{readable(line)}\n"
