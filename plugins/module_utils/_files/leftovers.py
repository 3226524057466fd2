# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name temporary files. A run removes them at its end; a killed run leaves them."""

from __future__ import annotations

import secrets

__all__ = ["LOCK", "is_leftover", "new_name"]

_PREFIX = ".grid-security-"
_SUFFIX = ".tmp"
LOCK = f"{_PREFIX}lock{_SUFFIX}"


def new_name() -> str:
    """Return a new name that nobody can guess."""
    return f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"


def is_leftover(name: str) -> bool:
    """Tell whether a file has a name that killed runs leave. Such names are always printable."""
    return name.isprintable() and name.startswith(_PREFIX) and name.endswith(_SUFFIX)
