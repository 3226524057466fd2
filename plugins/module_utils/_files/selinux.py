# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and set SELinux labels by descriptor. Without SELinux, the functions do nothing."""

from __future__ import annotations

import contextlib
import os

try:
    from ansible.module_utils.compat import selinux as _library
except ImportError:
    _library = None

__all__ = ["current", "default", "label"]

_ATTRIBUTE = "security.selinux"


def _enabled() -> bool:
    return _library is not None and hasattr(os, "getxattr") and _library.is_selinux_enabled() == 1


def default(path: str, mode: int) -> bytes | None:
    """Return the label that the policy has for a file at ``path``, or None."""
    if not _enabled():
        return None
    try:
        status, context = _library.matchpathcon(path, mode)
    except OSError:
        return None
    return context.encode() if status == 0 and context else None


def current(descriptor: int) -> bytes | None:
    """Return the label of an open file without its closing NUL, or None."""
    if not _enabled():
        return None
    try:
        return os.getxattr(descriptor, _ATTRIBUTE).rstrip(b"\0")
    except OSError:
        return None


def label(descriptor: int, path: str, mode: int) -> None:
    """Give an open file the label of its final ``path``, if its file system has labels."""
    wanted = default(path, mode)
    if wanted is not None and wanted != current(descriptor):
        with contextlib.suppress(OSError):
            os.setxattr(descriptor, _ATTRIBUTE, wanted + b"\0")
