# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many credentials rendered: first what they will be, and only for those that have to travel what they hold."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable, Protocol, Union

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import policy

__all__ = ["Outcome", "RenderEach", "Renderer", "Source", "for_good_ones", "label", "read_all"]

Outcome = Union[dict[str, Any], GridSecurityError]


def label(options: dict[str, Any]) -> str:
    """What messages call a credential: its archive, or the owner whose credential is removed."""
    source = os.path.basename(options["src"]) if options.get("src") else "content"
    owner = f" for {options['owner']}" if options.get("owner") else ""
    return f"{source}{owner}" if options["state"] == "present" else f"credential{owner}"


@dataclass(frozen=True)
class Source:
    """What one credential is rendered from.

    :param data: the archive, or the certificate if there is a ``privatekey`` beside it.
    """

    options: dict[str, Any]
    data: bytes
    privatekey: bytes | None = None

    @property
    def job(self) -> sandbox.Job:
        # Most runs render nothing, and this brings in all that knows of PKCS#12, keys and certificates.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.module_utils._credential import rendering

        return rendering.job(self.data, self.options, label(self.options), self.privatekey)


class Renderer(Protocol):
    """What credentials are to be. Most runs change nothing, and then nobody asks for the contents."""

    def outlines(self, options: list[dict[str, Any]]) -> list[Outcome]:
        """For each credential what :func:`policy.outline` returns, or why there is none."""

    def contents(self, numbers: list[int]) -> list[Outcome]:
        """What :func:`policy.contents` returns, of the credentials with these numbers among those outlined."""


class RenderEach:
    """The renderer that renders everything when it is asked first, and keeps it in memory.

    :param read: the source of a credential; it may raise :exc:`GridSecurityError`.
    :param cas: the CAs for :mod:`chain`, by the key that ``trust_anchors`` of a credential has.
    """

    def __init__(self, read: Callable[[dict[str, Any]], Source], cas: dict[str, Any] | None = None) -> None:
        self._read, self._cas = read, cas or {}
        self._rendered: list[Outcome] = []

    def outlines(self, options: list[dict[str, Any]]) -> list[Outcome]:
        sources = read_all(self._read, options)
        rendered = for_good_ones(lambda good: sandbox.run_all([one.job for one in good]), sources)
        self._rendered = [self._checked(one, outcome) for one, outcome in zip(options, rendered)]
        return for_good_ones(lambda good: list(map(policy.outline, good)), self._rendered)

    def contents(self, numbers: list[int]) -> list[Outcome]:
        chosen = [self._rendered[number] for number in numbers]
        return for_good_ones(lambda good: list(map(policy.contents, good)), chosen)

    def _checked(self, options: dict[str, Any], rendered: Outcome) -> Outcome:
        if isinstance(rendered, GridSecurityError) or not options["trust_anchors"]:
            return rendered
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.module_utils._x509 import chain

        (key,) = options["trust_anchors"]
        (verdict,) = chain.judge([(label(options), rendered["chain"])], self._cas[key])
        return rendered if "until" in verdict else GridSecurityError(verdict["error_code"], verdict["message"])


def read_all(read: Callable[[dict[str, Any]], Source], options: list[dict[str, Any]]) -> list[Any]:
    """The source of each credential, or the error that reading it ended in."""
    sources: list[Source | GridSecurityError] = []
    for one in options:
        try:
            sources.append(read(one))
        except GridSecurityError as error:
            sources.append(error)
    return sources


def for_good_ones(work: Callable[[list[Any]], list[Any]], items: list[Any]) -> list[Any]:
    """What ``work`` makes of those that are no errors, and the errors, in order."""
    done = iter(work([one for one in items if not isinstance(one, GridSecurityError)]))
    return [one if isinstance(one, GridSecurityError) else next(done) for one in items]
