# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places: files of one directory that a node compares by a single digest, and that are changed where they differ."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import manifest

__all__ = [
    "Facts",
    "Place",
    "preconditions",
    "compare_set",
    "entry",
    "file_facts",
    "has_same_content",
    "link_facts",
    "raise_failure",
    "update_set",
    "words",
]

_MODE = 0o644

Facts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Place:
    """What should be in a directory under names that match one of ``patterns``; other files there are left alone.

    :param made: directories, relative to this one and outermost first, that are created if they are missing.
    :param bundle: a file of the node that has to hold all certificates of the place, because the system put them there.
    :param observe: whether the answer to a comparison that differs has the contents that everybody may read.
    """

    name: str
    directory: str
    patterns: list[str]
    wanted: Facts
    made: list[str] = field(default_factory=list)
    bundle: str | None = None
    observe: bool = False


def file_facts(data: bytes, fingerprint: str | None = None) -> dict[str, Any]:
    """A file, as a manifest has it, with its ``content`` in Base64."""
    return {
        "kind": "file",
        "mode": _MODE,
        "sha256": hashlib.sha256(data).hexdigest(),
        "content": base64.b64encode(data).decode(),
        "size": len(data),
        "certificate": fingerprint,
    }


def link_facts(target: str) -> dict[str, Any]:
    """A symbolic link, as a manifest has it."""
    return {"kind": "link", "target": target}


def entry(path: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The engine's entry for a file or link."""
    if facts["kind"] == "link":
        return {"path": path, "state": "link", "target": facts["target"]}
    return {
        "path": path,
        "state": "file",
        "mode": f"{facts['mode']:04o}",
        "sha256": facts["sha256"],
        "size": facts["size"],
    }


def words(before: dict[str, Any] | None, after: dict[str, Any] | None) -> str:
    """Say how a file or link differs from the wanted state.

    The words hold before the change and after it, so that check mode and the run say the same.

    :param before: None if nothing is there. ``leads_to`` of a link is the SHA-256 of the file that it leads to.
    :param after: None if nothing should be there.
    """
    return ", ".join(_words(before, after))


def _words(before: dict[str, Any] | None, after: dict[str, Any] | None) -> Iterator[str]:
    if before is None or after is None:
        yield "missing" if before is None else "unwanted"
        return
    if before["kind"] != after["kind"]:
        yield f"now a {after['kind']}, was a {before['kind']}{_compared(before, after)}"
        return
    if (before.get("sha256"), before.get("target")) != (after.get("sha256"), after.get("target")):
        yield "other content" if after["kind"] == "file" else f"other target{_compared(before, after)}"
    if not before.get("own", True):
        yield "other owner"
    if after["kind"] == "file" and before["mode"] != after["mode"]:
        yield f"mode {before['mode']:04o} → {after['mode']:04o}"


def _compared(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Say whether a link leads to the same content as before; nothing if that is not known."""
    digests = [facts.get("sha256") or facts.get("leads_to") for facts in (before, after)]
    if not all(digests):
        return ""
    return " with the same content" if has_same_content(before, after) else " with other content"


def has_same_content(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Return whether both are known to hold, or to lead to, the same content."""
    known = {facts.get("sha256") or facts.get("leads_to") if facts else None for facts in (before, after)}
    return len(known) == 1 and None not in known


def compare_set(place: Place) -> dict[str, Any]:
    """The file set that compares the place by one digest."""
    expected = {
        "patterns": place.patterns,
        "sha256": manifest.digest(place.wanted),
        "bundle": place.bundle,
        "observe": place.observe,
    }
    return {"name": place.name, "directory": place.directory, "entries": [], "manifest": expected}


def preconditions(place: Place, outcome: dict[str, Any]) -> dict[str, Any]:
    """What the place was when it was compared. :param outcome: the engine's answer to :func:`compare_set`."""
    return {"directory": place.directory, "patterns": place.patterns, "sha256": outcome["seen"]}


def update_set(place: Place, entries: list[dict[str, Any]], seen: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the file set that changes what differs. :param seen: the :func:`preconditions` of the places."""
    made = [{"path": path, "state": "directory", "initial_mode": "0755"} for path in place.made]
    return {"name": place.name, "directory": place.directory, "entries": made + entries, "preconditions": seen or []}


def raise_failure(outcomes: list[dict[str, Any]]) -> None:
    """:raises GridSecurityError: with the messages of all sets that failed, of the kind of the first."""
    failed = [one for one in outcomes if one.get("failed")]
    if failed:
        raise GridSecurityError(failed[0]["error_code"], "\n".join(f"{one['name']}: {one['msg']}" for one in failed))
