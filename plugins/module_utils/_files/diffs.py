# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare texts for a user, without private keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import readable

__all__ = ["unified", "without_keys"]

_MOST = 2000  # lines; the time of difflib may grow with the square of their number
_KEY = r"-----BEGIN [A-Z0-9 ]{0,64}PRIVATE KEY(?: BLOCK)?-----"
_PRIVATE_KEY = re.compile(rf"{_KEY}.*?(?:{_KEY.replace('BEGIN', 'END')}|\Z)".encode(), re.DOTALL)


def without_keys(content: bytes) -> str:
    """Return the text of a file with a note in place of each private key, even of one that is cut off or encrypted."""
    return _PRIVATE_KEY.sub(b"# a private key is not shown", content).decode(errors="replace")


def unified(before: str, after: str, path: str) -> Iterator[str]:
    """Yield the lines of a unified diff, each with its end. Long texts are not compared; a line has their lengths."""
    old, new = before.splitlines(), after.splitlines()
    if max(len(old), len(new)) > _MOST:
        yield f"# {path}: {len(old)} lines become {len(new)}, too many to be compared\n"
        return
    for line in difflib.unified_diff(old, new, path, path, lineterm=""):
        yield f"{readable(line)}\n"
