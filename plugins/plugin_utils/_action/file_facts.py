# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe files and links as a manifest does, and say how two descriptions differ."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

__all__ = ["Facts", "describe_difference", "entry", "has_same_content", "of_file", "of_link"]

_MODE = 0o644

Facts = dict[str, dict[str, Any]]


def of_file(data: bytes, fingerprint: str | None = None) -> dict[str, Any]:
    """Return the facts about a file that should exist, with its ``content`` in Base64.

    :param fingerprint: of the certificate in the file.
    """
    return {
        "kind": "file",
        "mode": _MODE,
        "sha256": hashlib.sha256(data).hexdigest(),
        "content": base64.b64encode(data).decode(),
        "size": len(data),
        "certificate": fingerprint,
    }


def of_link(target: str) -> dict[str, Any]:
    """Return the facts about a symbolic link that should exist."""
    return {"kind": "link", "target": target}


def entry(path: str, facts: dict[str, Any] | None) -> dict[str, Any]:
    """Return the engine's entry for a file or link. :param facts: None if the file or link should not exist."""
    if facts is None:
        return {"path": path, "state": "absent"}
    if facts["kind"] == "link":
        return {"path": path, "state": "link", "target": facts["target"]}
    return {
        "path": path,
        "state": "file",
        "mode": f"{facts['mode']:04o}",
        "sha256": facts["sha256"],
        "size": facts["size"],
    }


def describe_difference(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """Say how a file or link differs from the wanted state.

    The words are true before the change and after it. So check mode and the run say the same.

    :param before: None if there is no file. ``leads_to`` of a link is the SHA-256 of the file that it leads to.
    :param after: None if there should be no file.
    """
    return ", ".join(_differences(before, after))


def _differences(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        yield "missing" if before is None else "unwanted"
        return
    if before["kind"] != after["kind"]:
        yield f"now a {after['kind']}, was a {before['kind']}{_comparison(before, after)}"
        return
    if (before.get("sha256"), before.get("target")) != (after.get("sha256"), after.get("target")):
        yield "other content" if after["kind"] == "file" else f"other target{_comparison(before, after)}"
    if not before.get("own", True):
        yield "other owner"
    if after["kind"] == "file" and before["mode"] != after["mode"]:
        yield f"mode {before['mode']:04o} → {after['mode']:04o}"


def _comparison(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Say whether the content is the same; nothing if one of the contents is not known."""
    if not (_content_digest(before) and _content_digest(after)):
        return ""
    return " with the same content" if has_same_content(before, after) else " with other content"


def has_same_content(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Return whether two files or links are known to hold, or to lead to, the same content."""
    known = {_content_digest(facts) for facts in (before, after)}
    return len(known) == 1 and None not in known


def _content_digest(facts: dict[str, Any] | None) -> str | None:
    return facts.get("sha256") or facts.get("leads_to") if facts else None
