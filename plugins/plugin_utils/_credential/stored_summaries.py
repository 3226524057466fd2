# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Store summaries of credentials in the persistent cache.

A list of credentials has one entry. Shorter pieces of the list have entries of their own, so that a renewed credential
among hundreds costs a few conversions. An entry costs a guess at its passphrases as much as the most expensive of the
files that it describes.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source, Summary
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache

__all__ = ["DECISIVE", "SECRET", "StoredSummaries"]

SECRET = ("passphrase", "privatekey_passphrase")
# The other options that decide on the contents of the files. All further options decide on their places.
DECISIVE = (
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

_Packed = list[Any]  # of each credential its summary as a dictionary; None if it is not known


@dataclass(frozen=True)
class _Storable:
    """A source with an entry, and the iterations that a guess at its passphrases costs by its own files."""

    source: Source
    iterations: int


@dataclass(frozen=True)
class _Part:
    """An entry, and the credentials that it describes."""

    entry: persistent_cache.Entry
    storable: list[_Storable]


class StoredSummaries:
    """The stored summaries of one list of credentials.

    A credential has an entry only if its conversion takes longer than finding the entry.
    """

    def __init__(self, sources: list[Source]) -> None:
        self.sources = sources

    def of_list(self) -> _Packed | None:
        """Return the summaries in the entry of the whole list; None if there is no entry.

        A list of which no credential can have an entry counts as a list with an empty entry.
        """
        if not self._storable:
            return []
        known: _Packed | None = self._list.entry.read()
        return known

    def unpacked(self, packed: _Packed) -> dict[Source, Summary]:
        """Return the known summaries. :param packed: as of :meth:`of_list`."""
        return _unpacked(self._storable, packed)

    def of_pieces(self) -> dict[Source, Summary]:
        """Return the summaries in all entries of the list and of its pieces."""
        found: dict[Source, Summary] = {}
        for part in self._parts:
            found.update(_unpacked(part.storable, part.entry.read() or []))
        return found

    def store(self, summaries: dict[Source, Summary], new: dict[Source, Summary], is_complete: bool) -> None:
        """Write the entries, and remove older entries about the new credentials.

        An error is not stored but found again, because its cause may lie outside of the files.

        :param new: the summaries that are in no entry. :param is_complete: whether the entry of the list was found.
        """
        renewed = [one.source for one in self._storable if one.source in new]
        if is_complete and not renewed:
            return
        for part in self._parts:
            packed = [vars(summaries[one.source]) if one.source in summaries else None for one in part.storable]
            if any(packed):
                part.entry.write(packed)
        persistent_cache.remove_superseded(set(_names(renewed)))

    @functools.cached_property
    def _storable(self) -> list[_Storable]:
        """Return the sources that have entries.

        The iterations have an entry, too: reading this entry is faster than reading the archives.
        """
        chosen = [source for source in self.sources if _may_be_stored(source)]
        if not chosen:
            return []
        known = b"iterations" + _known(chosen)
        entry = persistent_cache.Entry(persistent_cache.Subject(known, about=tuple(_names(chosen))))
        numbers = entry.read()
        if numbers is None:
            # Most runs read no archive.
            # pylint: disable-next=import-outside-toplevel
            from ansible_collections.grid.security.plugins.plugin_utils._credential import guessing

            numbers = list(map(guessing.iterations, chosen))
            entry.write(numbers)
        return [_Storable(source, number) for source, number in zip(chosen, numbers) if _is_derivable(number or 0)]

    @functools.cached_property
    def _list(self) -> _Part:
        return _Part(persistent_cache.Entry(_subject(self._storable)), self._storable)

    @functools.cached_property
    def _parts(self) -> list[_Part]:
        """Return the part for the whole list, and those of its pieces if it has more than one piece."""
        if not self._storable:
            return []
        pieces = list(_pieces(self._storable))
        if len(pieces) == 1:
            return [self._list]
        entries = persistent_cache.entries(list(map(_subject, pieces)))
        return [self._list, *map(_Part, entries, pieces)]


def _may_be_stored(source: Source) -> bool:
    return source.options.encrypt_privatekey and _is_derivable(source.options.kdf_iterations)


def _is_derivable(iterations: int) -> bool:
    """Compare without ``in range(...)``, which tries number after number if Ansible has tagged the integer."""
    return _FEWEST <= iterations <= _MOST


def _pieces(storable: list[_Storable]) -> Iterator[list[_Storable]]:
    """Yield pieces that end at certain archives: an archive that comes or goes does not change the other pieces."""
    piece: list[_Storable] = []
    for one in storable:
        piece.append(one)
        if len(piece) == _LONGEST_PIECE or hashlib.sha256(one.source.data).digest()[0] % _PIECE == 0:
            yield piece
            piece = []
    if piece:
        yield piece


def _unpacked(storable: list[_Storable], packed: _Packed) -> dict[Source, Summary]:
    return {one.source: Summary(**summary) for one, summary in zip(storable, packed) if summary}


def _subject(storable: list[_Storable]) -> persistent_cache.Subject:
    """Return the inputs of an entry.

    The entry shows that all passphrases are right. So its derivation costs as much as the most expensive of the files.
    """
    sources = [one.source for one in storable]
    secret = [getattr(source.options, name) for source in sources for name in SECRET]
    iterations = max(one.iterations for one in storable)
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
    return [source.options.label, *digests, *(getattr(source.options, name) for name in DECISIVE)]
