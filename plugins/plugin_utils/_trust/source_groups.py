# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read all sources of a task. Each URL is fetched once per run."""

from __future__ import annotations

import base64
from typing import Any

from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_sources, verified
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group

__all__ = ["key_parts", "read"]


def read(action: GridAction, sources: list[dict[str, Any]], crls: bool = False) -> list[Group]:
    """Return the groups of files of all sources.

    :param crls: whether to read CRLs, too.
    :raises GridSecurityError: as :func:`anchor_sources.read`.
    """
    return [group for source in sources for group in anchor_sources.read(source, action.find, _fetch_once, crls)]


def key_parts(groups: list[Group]) -> list[bytes]:
    """Return names and contents of all files, as parts of a key for :func:`run_cache.memoize`."""
    parts = []
    for group in groups:
        parts.append(_encoded(group.where))
        parts += [part for name, data in group.files.items() for part in (_encoded(name), data)]
    return parts


def _encoded(text: str) -> bytes:
    """Return a file name as bytes. File names may have bytes that are no UTF-8."""
    return text.encode(errors="surrogatepass")


def _fetch_once(url: str) -> bytes:
    def produce() -> dict[str, Any]:
        return {"data": base64.b64encode(verified.fetch(url)).decode()}

    return base64.b64decode(run_cache.memoize([b"url", url.encode()], produce)["data"])
