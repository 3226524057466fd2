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
_NOT_ACCREDITED = ("discontinued", "experimental", "unaccredited", "worthless")  # as IGTF's .info files say


def _days_left(anchor: Anchor) -> int:
    return times.days_until(anchor.certificate.not_after)


def next_change(anchors: list[Anchor]) -> str | None:
    """When the passing of time alone changes the warnings, or what ``exclude_expired`` leaves: ISO 8601, UTC."""
    ends = [one.certificate.not_after for one in anchors if one.certificate.not_after > times.now()]
    moments = [*ends, *(end - datetime.timedelta(days=_SOON) for end in ends)]
    return min((times.iso(one) for one in moments if one > times.now()), default=None)


def lines(anchors: list[Anchor], profiles: Iterable[str] = ()) -> list[str]:
    """Return one line for each kind of weakness, with the aliases of the CAs that have it.

    :param profiles: that are asked for.
    """
    kinds = {
        "expired": [one for one in anchors if _days_left(one) < 0],
        f"expire within {_SOON} days": [one for one in anchors if 0 <= _days_left(one) < _SOON],
        "signed with SHA-1": _signed_with(anchors, "SHA-1"),
        **{f"signed with {one}, which others can forge": _signed_with(anchors, one) for one in _FORGEABLE},
        f"RSA keys of fewer than {_WEAK_RSA} bits": [one for one in anchors if _is_weak(one)],
        **{
            f"called {status} by their distribution (exclude them, or name {status} in profiles)": [
                one for one in anchors if status in one.profiles
            ]
            for status in _NOT_ACCREDITED
            if status not in profiles
        },
        "no signing policy, so Globus refuses what they sign (state subjects)": [
            one for one in anchors if "signing_policy" not in one.files
        ],
    }
    named = {kind: ", ".join(one.alias for one in found) for kind, found in kinds.items() if found}
    return [f"trust anchors, {kind}: {found}" for kind, found in named.items()] + list(_unchecked(anchors))


def _signed_with(anchors: list[Anchor], digest: str) -> list[Anchor]:
    """Return the CAs that others signed with this digest. Nobody checks the signature of a root."""
    return [one for one in anchors if one.certificate.weak_digest == digest and not one.is_root]


def _is_weak(anchor: Anchor) -> bool:
    return (anchor.certificate.rsa_bits or _WEAK_RSA) < _WEAK_RSA


def _unchecked(anchors: list[Anchor]) -> Iterator[str]:
    found = [f"{one.alias} ({one.problem})" for one in anchors if one.problem]
    if found:
        yield (
            "trust anchors, placed although the library cryptography cannot read them, so that their public keys and"
            " extensions other than basicConstraints were not checked, and credentials that they issued do not pass the"
            f" check of the chain: {', '.join(found)}"
        )


def orphans(found: list[Unusable], options: dict[str, Any]) -> list[str]:
    """Return one line about the files without a certificate, if there are any that the options do not leave out.

    :raises GridSecurityError: ``bad_filter``.
    """
    places = [one.where for one in found if anchor_selection.is_wanted(one, options)]
    if not places:
        return []
    title = "trust anchors, files without a certificate of the same name, which are not placed"
    return [f"{title}: {listing.listed(places)}"]
