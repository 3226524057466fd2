# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the digest of a directory, so that a node compares a whole directory at once.

The digest covers a line for each file of interest. The controller computes it from the wanted files, the node from the
present files. Both use :func:`line`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files.leftovers import is_leftover

__all__ = ["digest", "digest_of_placed", "line"]


def line(facts: dict[str, Any]) -> str:
    """Return the line of a file: its kind, and mode and SHA-256 or target."""
    mode = f"{facts['mode']:04o}" if facts["kind"] == "file" else ""
    owner = "" if facts.get("own", True) else "foreign"
    return " ".join([facts["kind"], mode, owner, facts.get("sha256") or facts.get("target") or ""])


def digest(found: dict[str, dict[str, Any]]) -> str:
    """Return the SHA-256 over the sorted names and lines."""
    text = "".join(f"{name}\0{line(facts)}\n" for name, facts in sorted(found.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def digest_of_placed(found: dict[str, dict[str, Any]]) -> str:
    """Return the digest without temporary files of runs."""
    return digest({name: facts for name, facts in found.items() if not is_leftover(name)})
