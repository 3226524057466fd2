# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warn of CRLs that could not be fetched or placed, in one line for each cause."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.listing import listed

__all__ = ["Problem", "lines"]

_MOST_URLS = 3
# Parts of a cause that differ from CA to CA: times, and the number and time of a CRL.
_PARTICULAR = re.compile(r" \(number [^)]*\)|(?: on)? \d{4}-\d\d-\d\dT[0-9:]+Z")


# By state: what the CRL in place means for users, for one CA and for several CAs.
_CONSEQUENCES = {
    "missing": (
        "There is no CRL in place, so certificates that this CA revoked are accepted.",
        "There are no CRLs in place, so certificates that these CAs revoked are accepted.",
    ),
    "expired": (
        "The CRL in place EXPIRED on {first}, so clients refuse all certificates of this CA. Check whether the CA still"
        " publishes CRLs. Set remove_expired: true to remove the CRL; then clients accept revoked certificates, too.",
        "The CRLs in place have EXPIRED, so clients refuse all certificates of these CAs. Check whether the CAs still"
        " publish CRLs. Set remove_expired: true to remove the CRLs; then clients accept revoked certificates, too.",
    ),
    "not_yet_valid": (
        "The CRL in place is not valid before {start}, so clients refuse all certificates of this CA, unless the"
        " controller's clock is wrong.",
        "The CRLs in place are not valid yet, so clients refuse all certificates of these CAs, unless the controller's"
        " clock is wrong.",
    ),
    "damaged": (
        "The file in place is damaged or no CRL of this CA, so clients cannot use it.",
        "The files in place are damaged or no CRLs of these CAs, so clients cannot use them.",
    ),
    "fresh": (
        "The CRL in place stays; it is valid until {first}.",
        "The CRLs in place stay; the first expires on {first}.",
    ),
}


@dataclass(frozen=True)
class Problem:
    """A CRL that could not be fetched or placed.

    :param causes: pairs of a URL and its error. :param state: of the CRL in place, as of :mod:`crl_store`.
    :param known: ``this_update`` and ``next_update`` of the CRL in place.
    """

    alias: str
    causes: list[tuple[str, str]]
    state: str
    known: dict[str, Any]

    @property
    def message(self) -> str:
        """The causes and the consequence."""
        causes = "; ".join(f"{url} {words}" for url, words in self.causes)
        return f"{causes}. {_consequence([self])}"


def lines(problems: list[Problem]) -> list[str]:
    """Return a line for each cause and consequence. CAs with the same cause share a line."""
    groups: dict[tuple[tuple[str, ...], str], list[Problem]] = {}
    for problem in problems:
        causes = tuple(dict.fromkeys(_PARTICULAR.sub("", words) for _url, words in problem.causes))
        groups.setdefault((causes, problem.state), []).append(problem)
    return [_line(causes, group) for (causes, _state), group in groups.items()]


def _line(causes: tuple[str, ...], group: list[Problem]) -> str:
    """:param causes: of all problems of the group."""
    if len(group) == 1:
        return f"CRL of {group[0].alias}: {group[0].message}"
    urls = [url for problem in group for url, _words in problem.causes]
    aliases = listed([problem.alias for problem in group])
    return f"CRLs of {len(group)} CAs ({aliases}): {_listed_urls(urls)}: {'; '.join(causes)}. {_consequence(group)}"


def _listed_urls(urls: list[str]) -> str:
    """Return the URLs, or their servers if there are many URLs."""
    if len(urls) <= _MOST_URLS:
        return listed(urls)
    servers = list(dict.fromkeys("/".join(url.split("/")[:3]) for url in urls))  # urlsplit refuses some URLs
    return f"{len(urls)} URLs of {listed(servers, _MOST_URLS)}"


def _consequence(group: list[Problem]) -> str:
    """Say what follows for users. :param group: CRLs with the same state."""
    ends = [problem.known["next_update"] for problem in group if problem.known["next_update"]]
    form = _CONSEQUENCES[group[0].state][len(group) > 1]
    if group[0].state == "fresh" and not ends:  # such a CRL never expires
        form = f"{form.partition(';')[0]}."
    return form.format(start=group[0].known["this_update"], first=min(ends, default=None))
