# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as users write them in options, checked before they reach the system."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["check"]


def check(path: str, option: str, errors: str = "strict") -> str:
    """Return ``path``, if a file can have it.

    Line breaks are left alone, because real names have them. The system ends a name at a NUL byte, and Python raises
    errors of its own for that and for characters without an encoding.

    :param errors: of the codec. The engine takes ``surrogateescape``, because homes may have names that are no text.
    :raises GridSecurityError: ``bad_path``.
    """
    try:
        path.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise GridSecurityError("bad_path", f"{option}: {path!r} is no text in Unicode. Correct the path.") from None
    if "\0" in path:
        raise GridSecurityError("bad_path", f"{option}: {path!r} has a NUL byte. Correct the path.")
    return path
