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


@dataclass(frozen=True)
class Problem:
    """A CRL that could not be fetched or placed.

    :param causes: pairs of a URL and the error. :param state: of the present CRL, as of :mod:`crl_store`.
    :param known: ``this_update`` and ``next_update`` of the present CRL.
    """

    alias: str
    causes: list[tuple[str, str]]
    state: str
    known: dict[str, Any]

    @property
    def message(self) -> str:
        """The causes and the consequence."""
        causes = "; ".join(f"{url} {words}" for url, words in self.causes)
        return f"{causes}. {self._consequence}"

    @property
    def _consequence(self) -> str:
        if self.state == "missing":
            return "There is none in place, so certificates that this CA revoked are accepted."
        if self.state == "expired":
            return (
                f"The one in place EXPIRED on {self.known['next_update']}, so clients refuse everything that this CA"
                " signed. See whether the CA still publishes; remove_expired: true has what it revoked accepted"
                " instead."
            )
        if self.state == "not_yet_valid":
            return (
                f"The one in place is not valid before {self.known['this_update']}, so clients refuse everything that"
                " this CA signed, unless this controller's clock is wrong."
            )
        if self.state == "damaged":
            return "What is in place is damaged, or no CRL of this CA, so clients cannot use it."
        return f"The one in place stays; it is good until {self.known['next_update']}."


def lines(problems: list[Problem]) -> list[str]:
    """Return a line for each cause and consequence. CAs with the same cause share a line."""
    groups: dict[tuple[tuple[str, ...], str], list[Problem]] = {}
    for problem in problems:
        key = tuple(dict.fromkeys(_PARTICULAR.sub("", words) for _url, words in problem.causes)), problem.state
        groups.setdefault(key, []).append(problem)
    return [_line(causes, state, group) for (causes, state), group in groups.items()]


def _line(causes: tuple[str, ...], state: str, group: list[Problem]) -> str:
    if len(group) == 1:
        return f"CRL of {group[0].alias}: {group[0].message}"
    urls = [url for problem in group for url, _words in problem.causes]
    aliases = listed([problem.alias for problem in group])
    return f"CRLs of {len(group)} CAs ({aliases}): {_listed_urls(urls)}: {'; '.join(causes)}. {_common(state, group)}"


def _listed_urls(urls: list[str]) -> str:
    """Return the URLs, or their servers if there are many URLs."""
    if len(urls) <= _MOST_URLS:
        return listed(urls)
    servers = list(dict.fromkeys("/".join(url.split("/")[:3]) for url in urls))  # urlsplit refuses some URLs
    return f"{len(urls)} URLs of {listed(servers, _MOST_URLS)}"


def _common(state: str, group: list[Problem]) -> str:
    if state == "missing":
        return "There are none in place, so certificates that these CAs revoked are accepted."
    if state == "expired":
        return (
            "Those in place have EXPIRED, so clients refuse everything that these CAs signed. See whether the CAs still"
            " publish; remove_expired: true has what they revoked accepted instead."
        )
    if state == "not_yet_valid":
        return (
            "Those in place are not valid yet, so clients refuse everything that these CAs signed, unless this"
            " controller's clock is wrong."
        )
    if state == "damaged":
        return "What is in place is damaged, or no CRL of these CAs, so clients cannot use it."
    ends = [problem.known["next_update"] for problem in group if problem.known["next_update"]]
    return f"Those in place stay; the first expires on {min(ends)}." if ends else "Those in place stay."
