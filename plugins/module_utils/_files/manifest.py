# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory in one digest: the files of interest, a line each, so that "nothing changed" is a single comparison.

The controller computes the digest from what should be there, the node from what is there; both use :func:`line`.
"""

from __future__ import annotations

import hashlib
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files.leftovers import is_leftover

__all__ = ["digest", "digest_of_placed", "line"]


def line(facts: dict[str, Any]) -> str:
    """One file in one line: its kind, and mode and SHA-256 or target."""
    mode = f"{facts['mode']:04o}" if facts["kind"] == "file" else ""
    owner = "" if facts.get("own", True) else "foreign"
    return " ".join([facts["kind"], mode, owner, facts.get("sha256") or facts.get("target") or ""])


def digest(found: dict[str, dict[str, Any]]) -> str:
    """SHA-256 over the sorted names and lines."""
    text = "".join(f"{name}\0{line(facts)}\n" for name, facts in sorted(found.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def digest_of_placed(found: dict[str, dict[str, Any]]) -> str:
    """The digest of what runs place, without what they need while they do."""
    return digest({name: facts for name, facts in found.items() if not is_leftover(name)})
