# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that trusted CAs issued the certificates of credentials."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source, Summary

__all__ = ["SentCas", "Verdict", "verdicts"]

Verdict = dict[str, Any]  # as of chain.judge


def verdicts(summaries: dict[Source, Summary], trusted: dict[str, Any]) -> dict[Source, Verdict]:
    """Return the verdict on each certificate. :param trusted: the CAs and CRLs, as :mod:`chain` takes them."""
    # Most runs check no chain.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.module_utils._x509 import chain

    chains = [(source.options.label, summary.chain) for source, summary in summaries.items()]
    return dict(zip(summaries, chain.judge(chains, trusted)))


class SentCas:
    """The CAs that the controller sent to a node. :param cas: by the key in ``trust_anchors``."""

    def __init__(self, cas: dict[str, Any]) -> None:
        self._cas = cas

    def judge(self, summaries: dict[Source, Summary]) -> dict[Source, GridSecurityError]:
        """Return an error for each source whose certificate is not trusted."""
        errors: dict[Source, GridSecurityError] = {}
        for key, trusted in self._cas.items():
            checked = {
                source: summary for source, summary in summaries.items() if source.options.trust_anchors == [key]
            }
            for source, verdict in verdicts(checked, trusted).items() if checked else ():
                if "error_code" in verdict:
                    errors[source] = GridSecurityError(verdict["error_code"], verdict["message"])
        return errors
