# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn of weak, expired and doubtful CAs, in one line for each kind."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import listing, times
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_selection
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor, Unusable

__all__ = ["lines", "next_change", "orphans"]

_SOON = 30  # days
_WEAK_RSA = 2048  # bits
_FORGEABLE = ("MD2", "MD4", "MD5")
_NOT_ACCREDITED = ("discontinued", "experimental", "unaccredited", "worthless")  # in IGTF's .info files


def _days_left(anchor: Anchor) -> int:
    return times.days_until(anchor.certificate.not_after)


def next_change(anchors: list[Anchor]) -> str | None:
    """Return the time when warnings or the CAs left by ``exclude_expired`` change (ISO 8601, UTC)."""
    ends = [anchor.certificate.not_after for anchor in anchors if anchor.certificate.not_after > times.now()]
    moments = [*ends, *(end - datetime.timedelta(days=_SOON) for end in ends)]
    return min((times.iso(moment) for moment in moments if moment > times.now()), default=None)


def lines(anchors: list[Anchor], profiles: Iterable[str] = ()) -> list[str]:
    """Return a line for each kind of weakness, with the aliases of the CAs that have it.

    :param profiles: the option.
    """
    kinds = {
        "expired": [anchor for anchor in anchors if _days_left(anchor) < 0],
        f"expire within {_SOON} days": [anchor for anchor in anchors if 0 <= _days_left(anchor) < _SOON],
        "signed with SHA-1": _signed_with(anchors, "SHA-1"),
        **{f"signed with {digest}, which others can forge": _signed_with(anchors, digest) for digest in _FORGEABLE},
        f"RSA keys of fewer than {_WEAK_RSA} bits": [anchor for anchor in anchors if _is_weak(anchor)],
        **{
            f"called {status} by their distribution (exclude them, or name {status} in profiles)": [
                anchor for anchor in anchors if status in anchor.profiles
            ]
            for status in _NOT_ACCREDITED
            if status not in profiles
        },
        "no signing policy, so Globus refuses certificates of these CAs (set subjects)": [
            anchor for anchor in anchors if "signing_policy" not in anchor.files
        ],
    }
    named = {kind: ", ".join(anchor.alias for anchor in found) for kind, found in kinds.items() if found}
    return [f"trust anchors, {kind}: {found}" for kind, found in named.items()] + list(_unchecked(anchors))


def _signed_with(anchors: list[Anchor], digest: str) -> list[Anchor]:
    """Return the CAs with a signature by this digest, without roots. Nobody checks the signature of a root."""
    return [anchor for anchor in anchors if anchor.certificate.weak_digest == digest and not anchor.is_root]


def _is_weak(anchor: Anchor) -> bool:
    return (anchor.certificate.rsa_bits or _WEAK_RSA) < _WEAK_RSA


def _unchecked(anchors: list[Anchor]) -> Iterator[str]:
    found = [f"{anchor.alias} ({anchor.problem})" for anchor in anchors if anchor.problem]
    if found:
        yield (
            "trust anchors, placed although the library cryptography cannot read them. Public keys and extensions other"
            " than basicConstraints were not checked, and credentials of these CAs do not pass the check of the chain:"
            f" {', '.join(found)}"
        )


def orphans(found: list[Unusable], options: dict[str, Any]) -> list[str]:
    """Return a line about the files without a certificate that the options do not leave out; none without files.

    :raises GridSecurityError: ``bad_filter``.
    """
    paths = [file.where for file in found if anchor_selection.is_wanted(file, options)]
    if not paths:
        return []
    title = "trust anchors, files without a certificate of the same name, which are not placed"
    return [f"{title}: {listing.listed(paths)}"]
