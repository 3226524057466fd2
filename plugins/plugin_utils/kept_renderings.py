# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials rendered on the controller, as seldom as possible.

- What they will be is known from the ledger of earlier runs, unless something changed: a run with nothing to do opens
  no archive. The list as a whole has a page; if that is missing, shorter pieces of it have, so that one renewed
  credential among hundreds costs a few renderings.
- The memo of this run has both that and the rendered files, for all hosts that want the same.
- An unencrypted private key is written nowhere on the controller. It is rendered for each host again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils import bounded, credential
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils.renderers import (
    Outcome,
    Source,
    for_good_ones,
    label,
    read_all,
)
from ansible_collections.grid.security.plugins.plugin_utils import ledger, memo
from ansible_collections.grid.security.plugins.plugin_utils.trusted_cas import ChainCheck

__all__ = ["KeptRenderings"]

_SECRET = ("passphrase", "privatekey_passphrase")
# What else decides what the files hold; the other options say where they go.
_DECISIVE = (
    "encrypt_privatekey",
    "privatekey_format",
    "kdf_iterations",
    "max_kdf_iterations",
    "include_chain",
    "dns_name",
    "check_privatekey",
)
_ROUNDS = range(1000, 10_000_001)  # of credentials for which there is a ledger
_PIECE = 8  # credentials, on average
_LONGEST_PIECE = 4 * _PIECE


class KeptRenderings:
    """The renderer of the controller; see :class:`renderers.Renderer`.

    :param read: the source of a credential; it may raise :exc:`GridSecurityError`.
    :param check: of the chains. Its verdicts have pages of their own: CAs and CRLs change more often than archives.
    """

    def __init__(self, read: Callable[[dict[str, Any]], Source], check: ChainCheck) -> None:
        self._read, self._check = read, check
        self._sources: list[Any] = []

    def outlines(self, options: list[dict[str, Any]]) -> list[Outcome]:
        self._sources = read_all(self._read, options)
        return for_good_ones(self._outlines, self._sources)

    def _outlines(self, sources: list[Source]) -> list[Outcome]:
        """Judged once per run for all hosts with the same list."""
        if not sources:
            return []
        # Told apart from the memo of a rendering: of a single credential, that is asked for while this one is locked.
        parts = [b"outlines", *(part for one in sources for part in _parts(one))]
        parts += [self._check.key(one.options).encode() for one in sources]

        def produce() -> dict[str, Any]:
            judged = self._check.judge(sources, _find_out(sources))
            return {"outcomes": list(map(_packed, judged))}

        return list(map(_unpacked, memo.memoize(parts, produce)["outcomes"]))

    def contents(self, numbers: list[int]) -> list[Outcome]:
        rendered = for_good_ones(_render, [self._sources[number] for number in numbers])
        return for_good_ones(lambda good: list(map(credential.contents, good)), rendered)


# --- in this run ------------------------------------------------------------------------------------------------------


def _parts(source: Source) -> list[bytes]:
    """What its rendering depends on."""
    chosen = [label(source.options), *(source.options[name] for name in (*_SECRET, *_DECISIVE))]
    return [source.data, source.privatekey or b"", json.dumps(chosen).encode()]


def _packed(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, GridSecurityError):
        return {"kind": outcome.kind, "message": outcome.message}
    return {"outline": {name: value for name, value in outcome.items() if name != "chain"}}  # which was judged


def _unpacked(packed: dict[str, Any]) -> Outcome:
    return packed["outline"] if "outline" in packed else GridSecurityError(packed["kind"], packed["message"])


def _render(sources: list[Source]) -> list[Outcome]:
    """All of them, as many at a time as there are processors, unless another host's worker has done so."""
    known = [memo.recall(_parts(one)) if _is_encrypted(one) else None for one in sources]
    jobs = [_once(one) for one, outcome in zip(sources, known) if outcome is None]
    rendered = iter(bounded.run_all(jobs))
    return [next(rendered) if outcome is None else outcome for outcome in known]


def _once(source: Source) -> bounded.Job:
    job = source.job
    if not _is_encrypted(source):
        return job
    return dataclasses.replace(job, work=lambda: memo.memoize(_parts(source), job.work))


def _is_encrypted(source: Source) -> bool:
    return bool(source.options["encrypt_privatekey"])


# --- in earlier runs --------------------------------------------------------------------------------------------------


def _find_out(sources: list[Source]) -> list[Outcome]:
    """The ledger is for those only whose rendering takes longer than finding a page."""
    with_page = iter(_from_ledger([one for one in sources if _has_page(one)]))
    others = iter(_rendered([one for one in sources if not _has_page(one)]))
    return [next(with_page if _has_page(one) else others) for one in sources]


def _has_page(source: Source) -> bool:
    return _is_encrypted(source) and source.options["kdf_iterations"] in _ROUNDS


def _rendered(sources: list[Source]) -> list[Outcome]:
    return for_good_ones(lambda good: list(map(credential.outline, good)), _render(sources))


def _from_ledger(sources: list[Source]) -> list[Outcome]:
    if not sources:
        return []
    (page,) = ledger.pages([_subject(sources)])
    known: list[Outcome] | None = page.read()
    return _kept(page, _from_pieces(sources)) if known is None else known


def _from_pieces(sources: list[Source]) -> list[Outcome]:
    pieces = list(_pieces(sources))
    pages = ledger.pages(list(map(_subject, pieces)))
    known = [page.read() for page in pages]
    unknown = [one for piece, outlines in zip(pieces, known) if outlines is None for one in piece]
    rendered = iter(_rendered(unknown))
    found: list[Outcome] = []
    for page, piece, outlines in zip(pages, pieces, known):
        found += _kept(page, [next(rendered) for _one in piece]) if outlines is None else outlines
    return found


def _pieces(sources: list[Source]) -> Iterator[list[Source]]:
    """The list in pieces that end where an archive says so: one that comes or goes leaves the other pieces alone."""
    piece = []
    for source in sources:
        piece.append(source)
        if len(piece) == _LONGEST_PIECE or hashlib.sha256(source.data).digest()[0] % _PIECE == 0:
            yield piece
            piece = []
    if piece:
        yield piece


def _kept(page: ledger.Page, outcomes: list[Outcome]) -> list[Outcome]:
    """An error is found out again, because what is wrong with a file may be mended in the code."""
    if not any(isinstance(one, GridSecurityError) for one in outcomes):
        page.write(outcomes)
    return outcomes


def _subject(sources: list[Source]) -> ledger.Subject:
    known = [_known(one) for one in sources]
    secret = [one.options[name] for one in sources for name in _SECRET]
    rounds = max(one.options["kdf_iterations"] for one in sources)
    return ledger.Subject(json.dumps(known).encode(), json.dumps(secret).encode(), rounds)


def _known(source: Source) -> list[Any]:
    digests = [hashlib.sha256(data).hexdigest() for data in (source.data, source.privatekey or b"")]
    return [label(source.options), *digests, *(source.options[name] for name in _DECISIVE)]
