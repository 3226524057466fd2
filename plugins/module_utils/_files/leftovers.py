# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of files that exist only while a run is at work; one that is killed leaves them."""

from __future__ import annotations

import secrets

__all__ = ["LOCK", "is_leftover", "new_name"]

_PREFIX = ".grid-security-"
_SUFFIX = ".tmp"
LOCK = f"{_PREFIX}lock{_SUFFIX}"


def new_name() -> str:
    """One that nobody can foresee."""
    return f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}"


def is_leftover(name: str) -> bool:
    """Tell whether a file has a name that killed runs leave. Such names are always printable."""
    return name.isprintable() and name.startswith(_PREFIX) and name.endswith(_SUFFIX)
