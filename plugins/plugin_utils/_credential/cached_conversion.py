# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache conversions on the controller: in the run cache, and their summaries also in the persistent cache.

- A run with nothing to do finds all summaries in the persistent cache, and opens no archive.
- A list of credentials has one entry there. Shorter pieces of the list have entries of their own, so that a renewed
  credential among hundreds costs a few conversions.
- With an entry, a guess at passphrases costs as much as with the most expensive file that the entry describes. So
  finding an entry takes as long as opening this file. The caller does other work in this time.
- The run cache has summaries and conversions for all hosts that need the same.
- A conversion with an unencrypted private key is cached nowhere. Each host converts it again.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import (
    Answers,
    Converter,
    Source,
    Summaries,
    Summary,
    summary_of,
)
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache, run_cache

__all__ = ["CachedConverter"]

_SECRET = ("passphrase", "privatekey_passphrase")
# The other options that the contents of the files depend on. All further options decide where the files are placed.
_DECISIVE = (
    "friendly_name",
    "encrypt_privatekey",
    "privatekey_format",
    "kdf_iterations",
    "max_kdf_iterations",
    "include_chain",
    "dns_name",
    "check_privatekey",
)
_PLACE = ("src", "owner", "directory", "cert_path", "privatekey_path")  # they identify a credential
_FEWEST, _MOST = 1000, 10_000_000  # iterations of credentials with an entry
_PIECE = 8  # credentials, on average
_LONGEST_PIECE = 4 * _PIECE

_Known = dict[Source, Summary]
_Packed = list[Any]  # the summary of each credential as a dictionary; None if it is not known


@dataclass
class CachedConverter(Converter):
    """A converter with caches in front of it.

    :param converter: converts what is in no cache.
    :param meanwhile: called once while the persistent cache is searched.
    """

    converter: Converter = field(default_factory=Converter)
    meanwhile: Callable[[], None] = lambda: None

    def summaries(self, sources: Collection[Source]) -> Summaries:
        if not sources:
            return {}
        key = _key(b"summaries", sources)
        known = run_cache.recall(key)
        if known is None:
            stored = _StoredSummaries(list(sources))
            in_list = self._look_up(stored)
            known = run_cache.memoize(key, lambda: {"summaries": _packed(self._complete(stored, in_list))})
        return {source: _unpacked_one(packed) for source, packed in zip(sources, known["summaries"])}

    def answers(self, sources: Collection[Source]) -> Answers:
        encrypted = {source: _parts(source) for source in sources if source.options.encrypt_privatekey}
        plain = [source for source in sources if source not in encrypted]
        return {**run_cache.memoize_all(encrypted, self.converter.answers), **self.converter.answers(plain)}

    def _look_up(self, stored: _StoredSummaries) -> _Known | None:
        """Return the summaries in the entry of the whole list; None if there is no entry."""
        key = _key(b"stored summaries", stored.sources)
        with ThreadPoolExecutor(1) as pool:  # the search starts no process: that is unsafe in a thread
            search = pool.submit(run_cache.memoize, key, lambda: {"found": stored.of_list()})
            self.meanwhile()
            found = search.result()["found"]
        return None if found is None else stored.unpacked(found)

    def _complete(self, stored: _StoredSummaries, in_list: _Known | None) -> Summaries:
        """Convert the sources without a stored summary, store their summaries, and return all summaries."""
        known = stored.of_pieces() if in_list is None else in_list
        missing = [source for source in stored.sources if source not in known]
        found = {source: summary_of(answer) for source, answer in self.answers(missing).items()}
        new = {source: summary for source, summary in found.items() if isinstance(summary, Summary)}
        stored.store({**known, **new}, new, is_complete=in_list is not None)
        return {source: known.get(source) or found[source] for source in stored.sources}


# --- the run cache ----------------------------------------------------------------------------------------------------


def _key(purpose: bytes, sources: Collection[Source]) -> list[bytes]:
    return [purpose, *(part for source in sources for part in _parts(source))]


def _parts(source: Source) -> list[bytes]:
    """Return everything that a conversion depends on."""
    options = source.options
    chosen = [options.label, *(getattr(options, name) for name in (*_SECRET, *_DECISIVE))]
    return [source.data, source.privatekey or b"", json.dumps(chosen).encode()]


def _packed(summaries: Summaries) -> list[dict[str, Any]]:
    return [
        {"error_code": summary.error_code, "message": summary.message}
        if isinstance(summary, GridSecurityError)
        else vars(summary)
        for summary in summaries.values()
    ]


def _unpacked_one(packed: dict[str, Any]) -> Summary | GridSecurityError:
    return GridSecurityError(**packed) if "error_code" in packed else Summary(**packed)


# --- the persistent cache ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Storable:
    """A source with an entry, and the iterations that a guess at its passphrases costs by its own files."""

    source: Source
    iterations: int


@dataclass(frozen=True)
class _Part:
    """An entry, and the credentials that it describes."""

    entry: persistent_cache.Entry
    storables: list[_Storable]


@dataclass(frozen=True, eq=False)
class _StoredSummaries:
    """The stored summaries of one list of credentials.

    A credential has an entry only if its conversion takes longer than finding the entry.
    """

    sources: list[Source]

    def of_list(self) -> _Packed | None:
        """Return the summaries in the entry of the whole list; None if there is no entry.

        A list of which no credential can have an entry counts as a list with an empty entry.
        """
        if not self._storables:
            return []
        known: _Packed | None = self._list.entry.read()
        return known

    def unpacked(self, packed: _Packed) -> _Known:
        """Return the known summaries. :param packed: as of :meth:`of_list`."""
        return _unpacked(self._storables, packed)

    def of_pieces(self) -> _Known:
        """Return the summaries in the entries of the pieces."""
        found: _Known = {}
        for part in self._pieces:
            found.update(_unpacked(part.storables, part.entry.read() or []))
        return found

    def store(self, summaries: _Known, new: _Known, is_complete: bool) -> None:
        """Write the entries, and remove older entries about the new credentials.

        An error is not stored but found again, because its cause may lie outside of the files.

        :param new: the summaries that are in no entry. :param is_complete: whether the entry of the list was found.
        """
        renewed = [storable.source for storable in self._storables if storable.source in new]
        if is_complete and not renewed:
            return
        for part in [self._list, *self._pieces] if self._storables else []:
            known = [summaries.get(storable.source) for storable in part.storables]
            packed = [vars(summary) if summary else None for summary in known]
            if any(packed):
                part.entry.write(packed)
        persistent_cache.remove_superseded(set(_names(renewed)))

    @functools.cached_property
    def _storables(self) -> list[_Storable]:
        """Return the sources that have entries.

        The iterations have an entry, too: reading this entry is faster than reading the archives.
        """
        chosen = [source for source in self.sources if _may_be_stored(source)]
        if not chosen:
            return []
        known = b"iterations" + _known(chosen)
        entry = persistent_cache.Entry(persistent_cache.Subject(known, about=tuple(_names(chosen))))
        numbers = entry.memoize(lambda: _count(chosen))
        return [_Storable(source, number) for source, number in zip(chosen, numbers) if _is_derivable(number or 0)]

    @functools.cached_property
    def _list(self) -> _Part:
        return _Part(persistent_cache.Entry(_subject(self._storables)), self._storables)

    @functools.cached_property
    def _pieces(self) -> list[_Part]:
        """Return the pieces of the list. A list that is a single piece has no other entry."""
        pieces = list(_pieces_of(self._storables))
        if len(pieces) < 2:
            return []
        return list(map(_Part, persistent_cache.entries(list(map(_subject, pieces))), pieces))


def _count(sources: list[Source]) -> list[int | None]:
    # Most runs read no archive.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.plugin_utils._credential import guessing

    return list(map(guessing.iterations, sources))


def _may_be_stored(source: Source) -> bool:
    return source.options.encrypt_privatekey and _is_derivable(source.options.kdf_iterations)


def _is_derivable(iterations: int) -> bool:
    """Compare without ``in range(...)``, which tries number after number if Ansible has tagged the integer."""
    return _FEWEST <= iterations <= _MOST


def _pieces_of(storables: list[_Storable]) -> Iterator[list[_Storable]]:
    """Yield pieces that end at certain archives: an archive that comes or goes does not change the other pieces."""
    piece: list[_Storable] = []
    for storable in storables:
        piece.append(storable)
        if len(piece) == _LONGEST_PIECE or hashlib.sha256(storable.source.data).digest()[0] % _PIECE == 0:
            yield piece
            piece = []
    if piece:
        yield piece


def _unpacked(storables: list[_Storable], packed: _Packed) -> _Known:
    return {storable.source: Summary(**summary) for storable, summary in zip(storables, packed) if summary}


def _subject(storables: list[_Storable]) -> persistent_cache.Subject:
    """Return the inputs of an entry.

    The entry shows that all passphrases are right. So its derivation costs as much as the most expensive of the files.
    """
    sources = [storable.source for storable in storables]
    secret = [getattr(source.options, name) for source in sources for name in _SECRET]
    iterations = max(storable.iterations for storable in storables)
    return persistent_cache.Subject(_known(sources), json.dumps(secret).encode(), iterations, tuple(_names(sources)))


def _names(sources: list[Source]) -> Iterator[str]:
    """Yield a digest for each credential. It does not depend on the archive and the passphrases."""
    for source in sources:
        place = json.dumps([getattr(source.options, name) for name in _PLACE])
        yield hashlib.sha256(place.encode()).hexdigest()[:32]


def _known(sources: list[Source]) -> bytes:
    """Return everything that the conversions depend on and that is no secret."""
    return json.dumps([_known_one(source) for source in sources]).encode()


def _known_one(source: Source) -> list[Any]:
    digests = [hashlib.sha256(data).hexdigest() for data in (source.data, source.privatekey or b"")]
    return [source.options.label, *digests, *(getattr(source.options, name) for name in _DECISIVE)]
