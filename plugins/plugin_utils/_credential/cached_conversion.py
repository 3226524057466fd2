# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache conversions on the controller: in the run cache, and their summaries also in the persistent cache.

- A run with nothing to do finds all summaries in the persistent cache, and opens no archive.
- To find an entry of the persistent cache takes one derivation, as slow as those that protect the credentials' own
  files. Meanwhile the caller does something else.
- The run cache has summaries and conversions for all hosts that need the same.
- A conversion with an unencrypted private key is cached nowhere. Each host converts it again.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import (
    Conversion,
    Conversions,
    Converter,
    Source,
    Summaries,
    Summary,
)
from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache
from ansible_collections.grid.security.plugins.plugin_utils._credential.stored_summaries import (
    DECISIVE,
    SECRET,
    StoredSummaries,
)

__all__ = ["CachedConverter"]

_Known = dict[Source, Summary]


class CachedConverter(Converter):
    """A converter with caches in front of it.

    :param converter: converts what is in no cache.
    :param meanwhile: called once while the persistent cache is searched.
    """

    def __init__(self, converter: Converter, meanwhile: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._converter, self._meanwhile = converter, meanwhile

    def summaries(self, sources: Collection[Source]) -> Summaries:
        if not sources:
            return {}
        key = _key(b"summaries", sources)
        known = run_cache.recall(key)
        if known is None:
            stored = StoredSummaries(list(sources))
            in_list = self._look_up(stored)
            known = run_cache.memoize(key, lambda: _packed(self._summarised(stored, in_list)))
        return {source: _unpacked(one) for source, one in zip(sources, known["summaries"])}

    def conversions(self, sources: Collection[Source]) -> Conversions:
        encrypted = {source: _parts(source) for source in sources if source.options.encrypt_privatekey}
        found = run_cache.memoize_all(encrypted, self._convert)
        plain = [source for source in sources if source not in encrypted]
        return {**{source: _conversion(one) for source, one in found.items()}, **self._converter.conversions(plain)}

    def _look_up(self, stored: StoredSummaries) -> _Known | None:
        """Return the summaries in the entry of the whole list; None if there is no entry."""
        key = _key(b"stored summaries", stored.sources)
        with ThreadPoolExecutor(1) as pool:  # the search starts no process: a thread must not
            search = pool.submit(run_cache.memoize, key, lambda: {"found": stored.of_list()})
            self._meanwhile()
            found = search.result()["found"]
        return None if found is None else stored.unpacked(found)

    def _summarised(self, stored: StoredSummaries, in_list: _Known | None) -> Summaries:
        """Convert the sources without a stored summary, and store their summaries."""
        known = stored.of_pieces() if in_list is None else in_list
        missing = [source for source in stored.sources if source not in known]
        found: Summaries = {}
        for source, conversion in self.conversions(missing).items():
            found[source] = conversion.summary() if isinstance(conversion, Conversion) else conversion
        new = {source: summary for source, summary in found.items() if isinstance(summary, Summary)}
        stored.store({**known, **new}, new, is_complete=in_list is not None)
        return {source: known.get(source) or found[source] for source in stored.sources}

    def _convert(self, sources: list[Source]) -> dict[Source, dict[str, Any] | Exception]:
        """Return conversions as the run cache takes them."""
        conversions = self._converter.conversions(sources)
        return {source: vars(one) if isinstance(one, Conversion) else one for source, one in conversions.items()}


def _key(purpose: bytes, sources: Collection[Source]) -> list[bytes]:
    return [purpose, *(part for source in sources for part in _parts(source))]


def _parts(source: Source) -> list[bytes]:
    """Return everything that a conversion depends on."""
    options = source.options
    chosen = [options.label, *(getattr(options, name) for name in (*SECRET, *DECISIVE))]
    return [source.data, source.privatekey or b"", json.dumps(chosen).encode()]


def _conversion(found: dict[str, Any] | Exception) -> Conversion | GridSecurityError:
    if isinstance(found, GridSecurityError):
        return found
    assert isinstance(found, dict)
    return Conversion(**found)


def _packed(summaries: Summaries) -> dict[str, Any]:
    return {"summaries": [_packed_one(summary) for summary in summaries.values()]}


def _packed_one(summary: Summary | GridSecurityError) -> dict[str, Any]:
    if isinstance(summary, GridSecurityError):
        return {"error_code": summary.error_code, "message": summary.message}
    return {"summary": vars(summary)}


def _unpacked(packed: dict[str, Any]) -> Summary | GridSecurityError:
    if "summary" in packed:
        return Summary(**packed["summary"])
    return GridSecurityError(packed["error_code"], packed["message"])
