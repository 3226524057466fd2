# SPDX-License-Identifier: GPL-3.0-or-later
"""File sets with one small file, and the engine in this process."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors

__all__ = ["CONTENT", "DIGEST", "converge", "key"]

CONTENT = b"key"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def converge(home: Path, *entries: dict[str, Any], send: bool = True, check: bool = False) -> dict[str, Any]:
    """Return the outcome of a set with these entries below ``home``."""
    one = {"name": "test", "directory": str(home), "entries": [{"state": "file", **entry} for entry in entries]}
    contents = {DIGEST: base64.b64encode(CONTENT).decode()} if send else {}
    return inspectors.converge([one], contents, check, False)[0]


def key(**fields: Any) -> dict[str, Any]:
    """Return an entry for the file ``key`` with :data:`CONTENT`."""
    return {"path": "key", "sha256": DIGEST, "size": len(CONTENT), "mode": "0600", **fields}
