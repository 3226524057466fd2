# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sources of trust anchors for tests, and read them with the collection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import signing_policy
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    anchor_sources,
    anchors,
    source_options,
    verified,
)
from ansible_collections.grid.security.tests.support import pki

SOURCE = {name: spec.get("default") for name, spec in source_options.SOURCE.items()}
FILTERS: dict[str, Any] = {
    "profiles": [],
    "include": [],
    "exclude": [],
    "exclude_expired": False,
    "on_unreadable": "fail",
}
ROOT = pki.issue("Root", authority=True)
MIDDLE = pki.issue("Middle", authority=True, issuer=ROOT)
OLD = pki.issue("Old", authority=True, start=-100, days=50)


def collected(content: Any, **more: Any) -> anchors.Found:
    """Read a source: inline PEM, or a path. :param more: options of the source."""
    source = {**SOURCE, **more}
    source["src" if isinstance(content, Path) else "content"] = (
        str(content) if isinstance(content, Path) else content.decode()
    )
    return anchor_reading.collect(anchor_sources.read(source, str, verified.fetch))


def read(content: Any, **more: Any) -> list[anchors.Anchor]:
    """Return the anchors of a source without problems."""
    found = collected(content, **more)
    anchor_selection.refuse(found.unusable, FILTERS)
    return found.anchors


def merged(sources: list[dict[str, Any]]) -> list[anchors.Anchor]:
    """Return the anchors of several sources."""
    groups = [group for one in sources for group in anchor_sources.read({**SOURCE, **one}, str, verified.fetch)]
    return anchor_reading.collect(groups).anchors


def kind(content: Any, **more: Any) -> str:
    """Return the code of the error."""
    with pytest.raises(GridSecurityError) as caught:
        read(content, **more)
    return caught.value.error_code


def aliases(found: list[anchors.Anchor]) -> list[str]:
    return [anchor.alias for anchor in found]


def twins(number: int) -> list[pki.Credential]:
    """Make CAs with the same name, the oldest first."""
    return [pki.issue("Twin", authority=True, start=-number + age) for age in range(number)]


def write_release(directory: Path) -> Path:
    """Make a directory with the layout of IGTF: one directory for each profile."""
    for profile, alias, one in (("classic", "root", ROOT), ("mics", "middle", MIDDLE), ("classic", "old", OLD)):
        base = directory / profile
        base.mkdir(exist_ok=True)
        dn = f"/DC=org/DC=example/CN={alias.capitalize()}"
        (base / f"{alias}.pem").write_bytes(one.pem)
        (base / f"{alias}.info").write_text(f"alias = {alias}\nstatus = accredited:{profile}\n")
        (base / f"{alias}.signing_policy").write_text(signing_policy.compose(dn, ["/DC=org/*"]))
        (base / f"0123456{len(alias)}.0").symlink_to(f"{alias}.pem")
    return directory
