# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check paths in options before the system uses them."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["check"]


def check(path: str, option: str, errors: str = "strict") -> str:
    """Return ``path`` if it is a possible path of a file.

    Line breaks are allowed, because real names have them. The system ends a name at a NUL byte. Python raises its own
    errors for a NUL byte and for characters without an encoding.

    :param errors: of the codec. The engine uses ``surrogateescape``, because names in homes may have any bytes.
    :raises GridSecurityError: ``bad_path``.
    """
    try:
        path.encode("utf-8", errors)
    except UnicodeEncodeError:
        raise GridSecurityError("bad_path", f"{option}: {path!r} is not valid Unicode. Correct the path.") from None
    if "\0" in path:
        raise GridSecurityError("bad_path", f"{option}: {path!r} has a NUL byte. Correct the path.")
    return path
