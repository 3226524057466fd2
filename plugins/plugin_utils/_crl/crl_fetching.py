# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch the CRLs of all CAs of the sources, once per run for all hosts with the same options."""

from __future__ import annotations

import base64
import functools
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import crl
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts, run_cache
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_sources
from ansible_collections.grid.security.plugins.plugin_utils._crl.crl_sources import DistributionPoint
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    bounded_fetch,
    source_groups,
)

__all__ = ["FetchedCrl", "content", "fetch_all"]

_LIMITS = ("timeout", "http_proxy", "validate_certs")


@dataclass(frozen=True)
class FetchedCrl:
    """The result of fetching a CRL.

    :param facts: of the file, with ``crl``; None if no URL had a good CRL.
    :param url: of the good CRL. :param causes: pairs of another URL and its error.
    """

    point: DistributionPoint
    facts: dict[str, Any] | None
    url: str | None
    causes: list[tuple[str, str]]

    @property
    def sha256(self) -> str:
        """The digest of the file; empty if no URL had a good CRL."""
        return str(self.facts["sha256"]) if self.facts else ""


def fetch_all(action: GridAction, options: dict[str, Any]) -> tuple[list[FetchedCrl], list[str]]:
    """Return the result of fetching each CRL, and warnings about CAs that were left out."""
    groups = source_groups.read(action, options["sources"])
    parts = [*source_groups.key_parts(groups), b"crls", json.dumps(options).encode()]

    def produce() -> dict[str, Any]:
        chosen, left_out = anchor_selection.choose(anchor_reading.collect(groups), options)
        points = crl_sources.distribution_points(chosen)
        with ThreadPoolExecutor(options["parallelism"]) as pool:
            fetched = list(pool.map(functools.partial(_summary, options=options), points))
        return {"fetched": fetched, "warnings": left_out}

    known = run_cache.memoize(parts, produce)
    return [_read(summary) for summary in known["fetched"]], known["warnings"]


def _summary(point: DistributionPoint, options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a :class:`FetchedCrl`. A run with nothing to do needs no contents."""
    obtained = _obtain_once(point, options)
    facts = None
    if obtained["pem"]:
        facts = {**file_facts.of_file(obtained["pem"].encode()), "crl": obtained["crl"]}
        del facts["content"]
    return {"point": asdict(point), "facts": facts, "url": obtained["url"], "causes": obtained["causes"]}


def _read(summary: dict[str, Any]) -> FetchedCrl:
    causes = list(map(tuple, summary["causes"]))
    return FetchedCrl(DistributionPoint(**summary["point"]), summary["facts"], summary["url"], causes)


def _obtain_once(point: DistributionPoint, options: dict[str, Any]) -> dict[str, Any]:
    """Return the CRL or the causes, as of :func:`crl_sources.obtain`.

    Failures are cached, too. So a thousand hosts do not wait for the same dead server one after the other.
    """
    limits = {name: options[name] for name in _LIMITS}
    parts = [b"crl", json.dumps([point.subject, point.urls, point.keys, limits]).encode()]
    fetch = functools.partial(bounded_fetch.fetch, largest=crl.LARGEST, **limits)
    return run_cache.memoize(parts, lambda: crl_sources.obtain(point, fetch, times.now()))


def content(fetched: FetchedCrl, options: dict[str, Any]) -> str:
    """Return the content of the file in Base64."""
    return base64.b64encode(_obtain_once(fetched.point, options)["pem"].encode()).decode()
