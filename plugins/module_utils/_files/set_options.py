# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the options of the module ``file_set``, which the controller checks."""

from __future__ import annotations

from typing import Any

__all__ = ["ENTRY", "SET", "TIMEOUT"]

TIMEOUT = 60.0  # seconds for one set

ENTRY: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["file", "link", "directory", "absent"], "default": "file"},
    "content": {"type": "str"},
    "src": {"type": "str"},
    "target": {"type": "str"},
    "mode": {"type": "raw"},
    "initial_mode": {"type": "raw"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "backup": {"type": "bool", "default": False},
}
SET: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "owner": {"type": "str"},
    "directory": {"type": "str"},
    "entries": {"type": "list", "elements": "dict", "default": [], "options": ENTRY},
}
