# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials rendered on the controller, as seldom as possible.

- What they will be is known from the ledger of earlier runs, unless something changed: a run with nothing to do opens
  no archive. The list as a whole has a page; if that is missing, shorter pieces of it have, so that one renewed
  credential among hundreds costs a few renderings.
- Finding a page takes one derivation, as slow as those that protect the credentials' own files. Meanwhile the caller
  does something else.
- The memo of this run has both that and the rendered files, for all hosts that want the same.
- An unencrypted private key is written nowhere on the controller. It is rendered for each host again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import policy
from ansible_collections.grid.security.plugins.module_utils._credential.renderers import (
    Outcome,
    Source,
    for_good_ones,
    label,
    read_all,
)
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache, run_cache
from ansible_collections.grid.security.plugins.plugin_utils._trust.trusted_cas import ChainCheck

__all__ = ["KeptRenderings"]

_SECRET = ("passphrase", "privatekey_passphrase")
# What else decides what the files hold; the other options say where they go.
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
_FEWEST, _MOST = 1000, 10_000_000  # iterations of credentials for which there is a ledger
_PLACE = ("src", "owner", "directory", "cert_path", "privatekey_path")  # they name a credential
_PIECE = 8  # credentials, on average
_LONGEST_PIECE = 4 * _PIECE


class KeptRenderings:
    """The renderer of the controller; see :class:`renderers.Renderer`.

    :param read: the source of a credential; it may raise :exc:`GridSecurityError`.
    :param check: of the chains. Its verdicts have pages of their own: CAs and CRLs change more often than archives.
    :param meanwhile: called once while a page of the ledger is looked for.
    """

    def __init__(
        self,
        read: Callable[[dict[str, Any]], Source],
        check: ChainCheck,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self._read, self._check, self._meanwhile = read, check, meanwhile
        self._sources: list[Any] = []

    def outlines(self, options: list[dict[str, Any]]) -> list[Outcome]:
        self._sources = read_all(self._read, options)
        return for_good_ones(self._outlines, self._sources)

    def _outlines(self, sources: list[Source]) -> list[Outcome]:
        """Render and judge once per run for all hosts with the same list."""
        if not sources:
            return []
        parts = [b"judged", *(part for one in sources for part in _parts(one))]
        parts += [self._check.key(one.options).encode() for one in sources]
        known = run_cache.recall(parts)
        if known is None:
            remembered = _look(sources, self._meanwhile)
            known = run_cache.memoize(parts, lambda: {"outcomes": self._judged(sources, remembered)})
        return list(map(_unpacked, known["outcomes"]))

    def _judged(self, sources: list[Source], remembered: _Known | None) -> list[dict[str, Any]]:
        is_whole = remembered and len(remembered) == len(sources) and None not in remembered
        found = remembered if is_whole else _find_out(sources, remembered)
        return list(map(_packed, self._check.judge(sources, list(found or []))))

    def contents(self, numbers: list[int]) -> list[Outcome]:
        rendered = for_good_ones(_render, [self._sources[number] for number in numbers])
        return for_good_ones(lambda good: list(map(policy.contents, good)), rendered)


# --- in this run ------------------------------------------------------------------------------------------------------


def _look(sources: list[Source], meanwhile: Callable[[], None]) -> _Known | None:
    """Return what :func:`_remembered` finds. :param meanwhile: called during the search."""
    # Told apart from the memo of a rendering: of a single credential, that is asked for while this one is locked.
    parts = [b"remembered", *(part for one in sources for part in _parts(one))]
    with ThreadPoolExecutor(1) as pool:  # _remembered starts no process: a thread must not
        looking = pool.submit(run_cache.memoize, parts, lambda: {"outlines": _remembered(sources)})
        meanwhile()
        remembered: _Known | None = looking.result()["outlines"]
    return remembered


def _parts(source: Source) -> list[bytes]:
    """What its rendering depends on."""
    chosen = [label(source.options), *(source.options[name] for name in (*_SECRET, *_DECISIVE))]
    return [source.data, source.privatekey or b"", json.dumps(chosen).encode()]


def _packed(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, GridSecurityError):
        return {"error_code": outcome.error_code, "message": outcome.message}
    return {"outline": {name: value for name, value in outcome.items() if name != "chain"}}  # it is judged already


def _unpacked(packed: dict[str, Any]) -> Outcome:
    return packed["outline"] if "outline" in packed else GridSecurityError(packed["error_code"], packed["message"])


def _render(sources: list[Source]) -> list[Outcome]:
    """All of them, as many at a time as there are processors, unless another host's worker has done so."""
    known = [run_cache.recall(_parts(one)) if _is_encrypted(one) else None for one in sources]
    jobs = [_once(one) for one, outcome in zip(sources, known) if outcome is None]
    rendered = iter(sandbox.run_all(jobs))
    return [next(rendered) if outcome is None else outcome for outcome in known]


def _once(source: Source) -> sandbox.Job:
    job = source.job
    if not _is_encrypted(source):
        return job
    return dataclasses.replace(job, work=lambda: run_cache.memoize(_parts(source), job.work))


def _is_encrypted(source: Source) -> bool:
    return bool(source.options["encrypt_privatekey"])


# --- in earlier runs --------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class _Guarded:
    """A source with a page, and the iterations that a guess at its passphrases costs by its own files."""

    source: Source
    iterations: int


@dataclasses.dataclass(frozen=True)
class _Part:
    """A page, and which credentials of the list are on it."""

    page: persistent_cache.Page
    place: slice


_Known = list[Any]  # for each credential its outline; None if it is not known


def _remembered(sources: list[Source]) -> _Known | None:
    """The outlines on the page of the whole list; None if there is none. Credentials that get no page are left out."""
    guarded = [one for one in _guard(sources) if one]
    if not guarded:
        return []
    (page,) = persistent_cache.pages([_subject(guarded)])
    known: _Known | None = page.read()
    return known


def _find_out(sources: list[Source], remembered: _Known | None) -> list[Outcome]:
    """Render the credentials that are on no page, and write the pages."""
    guards = _guard(sources)
    guarded = [one for one in guards if one]
    parts = _parts_of(guarded) if remembered is None else []
    on_pages = iter(_read(parts, len(guarded)) if remembered is None else remembered)
    known = [next(on_pages) if guard else None for guard in guards]
    rendered = iter(_rendered([one for one, outline in zip(sources, known) if outline is None]))
    found = [next(rendered) if outline is None else outline for outline in known]
    good = [None if isinstance(one, GridSecurityError) else one for one, guard in zip(found, guards) if guard]
    new = [guard for guard, before, now in zip(guards, known, found) if guard and _is_new(before, now)]
    if remembered is None or new:
        _keep(parts or _parts_of(guarded), good, new)
    return found


def _is_new(before: Any, now: Outcome) -> bool:
    return before is None and not isinstance(now, GridSecurityError)


def _guard(sources: list[Source]) -> list[_Guarded | None]:
    """Return each source with the iterations that its page must cost; None for a credential without a page.

    A credential has a page only if rendering it takes longer than finding the page. The iterations of the archives have
    a page, too, because reading this page is faster than reading the archives.
    """
    chosen = [one for one in sources if _may_have_page(one)]
    if not chosen:
        return [None] * len(sources)
    page = persistent_cache.Page(persistent_cache.Subject(b"iterations" + _all_known(chosen), about=_names(chosen)))
    numbers = page.read()
    if numbers is None:
        # Most runs read no archive.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.plugin_utils._credential import guessing

        numbers = list(map(guessing.iterations, chosen))
        page.write(numbers)
    of_chosen = iter(_Guarded(*pair) if _is_derivable(pair[1] or 0) else None for pair in zip(chosen, numbers))
    return [next(of_chosen) if _may_have_page(one) else None for one in sources]


def _may_have_page(source: Source) -> bool:
    return _is_encrypted(source) and _is_derivable(source.options["kdf_iterations"])


def _is_derivable(iterations: int) -> bool:
    """Not by ``in range(...)``, which tries number after number if ansible has tagged the integer."""
    return _FEWEST <= iterations <= _MOST


def _rendered(sources: list[Source]) -> list[Outcome]:
    return for_good_ones(lambda good: list(map(policy.outline, good)), _render(sources))


def _parts_of(guarded: list[_Guarded]) -> list[_Part]:
    """The page of the whole list, then the pages of its pieces, if it has more than one piece."""
    places = list(_pieces(guarded))
    if guarded and len(places) != 1:
        places.insert(0, slice(0, len(guarded)))
    return list(map(_Part, persistent_cache.pages([_subject(guarded[place]) for place in places]), places))


def _read(parts: list[_Part], count: int) -> _Known:
    known: _Known = [None] * count
    for part in parts:
        outlines = part.page.read()
        if outlines is not None:
            known[part.place] = outlines
    return known


def _pieces(guarded: list[_Guarded]) -> Iterator[slice]:
    """The list in pieces that end where an archive says so: one that comes or goes leaves the other pieces alone."""
    start = 0
    for end, one in enumerate(guarded, 1):
        if end - start == _LONGEST_PIECE or hashlib.sha256(one.source.data).digest()[0] % _PIECE == 0:
            yield slice(start, end)
            start = end
    if start < len(guarded):
        yield slice(start, len(guarded))


def _keep(parts: list[_Part], good: _Known, new: list[_Guarded]) -> None:
    """Write the pages, and remove older pages about the credentials that were rendered now.

    An error is not kept but found out again, because its cause may lie outside of the files.
    """
    for part in parts:
        if any(good[part.place]):
            part.page.write(good[part.place])
    persistent_cache.remove_superseded(set(_names([one.source for one in new])))


def _subject(guarded: list[_Guarded]) -> persistent_cache.Subject:
    """The derivation costs as much as the most expensive of the files: a page shows that all passphrases are right."""
    sources = [one.source for one in guarded]
    secret = [one.options[name] for one in sources for name in _SECRET]
    iterations = max(one.iterations for one in guarded)
    return persistent_cache.Subject(_all_known(sources), json.dumps(secret).encode(), iterations, _names(sources))


def _names(sources: list[Source]) -> tuple[str, ...]:
    """Return a digest for each credential that does not depend on its archive and its passphrases."""
    places = [json.dumps([one.options[name] for name in _PLACE]) for one in sources]
    return tuple(hashlib.sha256(place.encode()).hexdigest()[:32] for place in places)


def _all_known(sources: list[Source]) -> bytes:
    return json.dumps(list(map(_known, sources))).encode()


def _known(source: Source) -> list[Any]:
    digests = [hashlib.sha256(data).hexdigest() for data in (source.data, source.privatekey or b"")]
    return [label(source.options), *digests, *(source.options[name] for name in _DECISIVE)]
