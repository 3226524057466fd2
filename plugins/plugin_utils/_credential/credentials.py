# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place credentials from the controller, with its files and caches, and with missing accounts."""

from __future__ import annotations

import base64
from typing import Any, Callable, Union

from ansible.errors import AnsibleError

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source, Summary
from ansible_collections.grid.security.plugins.module_utils._credential.credential import Credential
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import CredentialExchange, Results
from ansible_collections.grid.security.plugins.module_utils._credential.options import LIST_OPTIONS, CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send
from ansible_collections.grid.security.plugins.plugin_utils._action import accounts, restarts, run_register
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._credential import credential_report
from ansible_collections.grid.security.plugins.plugin_utils._credential.cached_conversion import CachedConverter
from ansible_collections.grid.security.plugins.plugin_utils._credential.purge import RecordedExchange
from ansible_collections.grid.security.plugins.plugin_utils._credential.task_options import read_options
from ansible_collections.grid.security.plugins.plugin_utils._trust.trusted_cas import ChainCheck

__all__ = ["Identity", "TaskExchange", "identify", "place", "subject"]

Identity = Union[Summary, GridSecurityError]


def place(action: GridAction, arguments: dict[str, Any]) -> Exchange:
    """Return the exchange that places the credentials of a task, or removes them.

    Services are left to :func:`restarts.carry_out`, which is called when everything else is done.
    """
    return TaskExchange(action, arguments)


class TaskExchange(Exchange):
    """The exchange of a task: its credentials, the record of placed credentials, and the task's result."""

    def __init__(self, action: GridAction, arguments: dict[str, Any]) -> None:
        self._action = action
        self._is_list = "credentials" in arguments
        self._options = read_options(arguments)
        of_list = validated(LIST_OPTIONS, {name: arguments[name] for name in LIST_OPTIONS if name in arguments})
        self._is_reviewed = True
        placing = _Placing(action, self._options, self._end_review)
        self._record: RecordedExchange | None = None
        if of_list["record"] or of_list["purge"]:
            self._record = RecordedExchange(placing, self._options, of_list, action.check_mode)
        self._exchange: Exchange = self._record or placing

    def request(self) -> Request:
        self._begin_review()
        return self._exchange.request()

    def supply(self, outcomes: Outcomes) -> Request:
        return self._exchange.supply(outcomes)

    def result(self, outcomes: Outcomes, send: Send) -> dict[str, Any]:
        found: Results = self._exchange.result(outcomes, send)
        results = [found[options] for options in self._options]
        services = restarts.take(results, self._action.check_mode)
        combined = credential_report.combine(results, self._is_list, self._action.diff)
        if services:
            combined["services"] = services
        return self._record.add_to(combined, self._action.diff) if self._record else combined

    def close(self) -> None:
        self._end_review()
        run_register.save(self._action.host, self._action.register)

    def _begin_review(self) -> None:
        """Make the grid-mapfile of the same node wait until all credentials are reviewed."""
        self._is_reviewed = False
        self._action.register.unreviewed += 1

    def _end_review(self) -> None:
        """End the review. Further calls do nothing."""
        if not self._is_reviewed:
            self._is_reviewed = True
            self._action.register.unreviewed -= 1


class _Placing(CredentialExchange):
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
            placed = exchange.run(_Placing(self._action, created), send)
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


# --- for the grid-mapfile ---------------------------------------------------------------------------------------------


def identify(action: GridAction, options: list[CredentialOptions]) -> list[Identity]:
    """Return the summary of each credential, or the error by which :func:`place` refuses it.

    No archive is opened twice in a run with the same options.
    """
    credentials = _Placing(action, options).summarise()
    return [credential.error or credential.summary or _not_converted(credential) for credential in credentials]


def _not_converted(credential: Credential) -> GridSecurityError:
    return credential.bug("it was not converted. Report this.")


def subject(options: CredentialOptions, found: Identity, register: identity.Register) -> str:
    """Return the OpenSSL one-line DN of a credential. :param found: as of :func:`identify`.

    :raises GridSecurityError: the credential is refused, or a task of this run did not replace another one by it.
    """
    if isinstance(found, GridSecurityError):
        raise found
    if register.is_refused(options, found.facts):
        raise GridSecurityError("refused", f"{options.label}: it was refused where it was to be placed.")
    return found.facts["subject_dn"]
