# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place credentials with archives on the controller or on the node, and create missing accounts."""

from __future__ import annotations

import base64
from typing import Callable

from ansible.errors import AnsibleError

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange, Results
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Outcomes, Send
from ansible_collections.grid.security.plugins.plugin_utils._action import accounts
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._credential.cached_conversion import CachedConverter
from ansible_collections.grid.security.plugins.plugin_utils._trust.trusted_cas import ChainCheck

__all__ = ["Placing"]


class Placing(CredentialExchange):
    """Places credentials with archives on the controller or on the node, and creates missing accounts."""

    def __init__(
        self, action: GridAction, options: list[CredentialOptions], reviewed: Callable[[], None] = lambda: None
    ) -> None:
        self._action, self._all = action, options
        self._chain_check = ChainCheck(action)
        super().__init__(
            [given for given in options if not given.remote_src],
            self._read_source,
            CachedConverter(meanwhile=action.prepare),
            action.check_mode,
            self._chain_check.judge,
            action.register,
            reviewed,
        )

    def result(self, outcomes: Outcomes, send: Send) -> Results:
        results = super().result(outcomes, send)
        on_node = [given for given in self._all if given.remote_src]
        if on_node:
            # pylint: disable-next=import-outside-toplevel  # few archives are on nodes
            from ansible_collections.grid.security.plugins.plugin_utils._credential import node_conversion

            results.update(node_conversion.place(self._action, on_node, self._chain_check))
        missing = [given for given in self._all if accounts.is_missing(given, results[given])]
        return {**results, **self._place_again(missing, results, send)}

    def _place_again(self, missing: list[CredentialOptions], results: Results, send: Send) -> Results:
        """Create accounts, place their credentials, and return the new results."""
        failures = {options: accounts.create(self._action, options) for options in missing}
        created = [options for options, failure in failures.items() if failure is None]
        placed: Results = {}
        if created and not self._action.check_mode:
            placed = exchange.run(Placing(self._action, created), send)
        return {
            options: accounts.result(options, results[options], placed.get(options), failure, self._action.check_mode)
            for options, failure in failures.items()
        }

    def _read_source(self, options: CredentialOptions) -> Source:
        if options.trust_anchors is not None:
            self._chain_check.key(options)  # fails if a source of the CAs is missing
        data = _read(self._action, options.src, options.content, options.label)
        key = (options.privatekey_src, options.privatekey_content)
        return Source(options, data, _read(self._action, *key, options.label) if any(key) else None)


def _read(action: GridAction, src: str | None, content: str | None, name: str) -> bytes:
    """Read a file of the controller, or the content in its place: PEM as it is, anything else in Base64."""
    try:
        if src:
            return action.read(src)
        given = str(content)
        return given.encode() if "-----BEGIN " in given else base64.b64decode(given, validate=True)
    except ValueError:
        raise GridSecurityError(
            "not_base64",
            f"{name}: content is neither Base64 nor PEM. Encode the archive, for instance with the filter b64encode.",
        ) from None
    except AnsibleError as error:
        raise GridSecurityError("no_source", f"{name}: {error}") from error
