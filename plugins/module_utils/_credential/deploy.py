# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of credentials: read, summarise, compare, review, convert, apply, report.

The controller takes this way, and so does a node with archives of its own. One credential that fails does not stop the
others.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common import option_paths
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity, policy, results, wanted_files
from ansible_collections.grid.security.plugins.module_utils._credential.converter import (
    Conversions,
    Converter,
    Source,
    Summaries,
    Summary,
)
from ansible_collections.grid.security.plugins.module_utils._credential.credential import Credential
from ansible_collections.grid.security.plugins.module_utils._credential.options import PATHS, CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Exchange, Outcomes, Request, Send

__all__ = ["CredentialExchange", "Judge", "Read", "Results"]

Read = Callable[[CredentialOptions], Source]
Judge = Callable[[dict[Source, Summary]], Mapping[Source, GridSecurityError]]
Results = dict[CredentialOptions, dict[str, Any]]


class CredentialExchange(Exchange):
    """Places credentials, or removes them. The result has the result of each credential by its options.

    :param options: of each credential. A credential with an error in its options is not placed.
    :param read: returns the source of a credential.
    :param check: whether nothing is changed.
    :param judge: returns an error for each source whose certificate is not trusted.
    :param register: the owners of credentials in this run.
    :param reviewed: called when no credential can be refused any more, before contents are sent.
    """

    def __init__(
        self,
        options: Iterable[CredentialOptions],
        read: Read,
        converter: Converter,
        check: bool,
        *,
        judge: Judge = lambda _summaries: {},
        register: identity.Register | None = None,
        reviewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._credentials = [Credential(given, error=given.error) for given in options]
        self._read_source, self._converter, self._judge = read, converter, judge
        self._check, self._reviewed = check, reviewed
        self._register = register or identity.Register()
        self._sent: list[CredentialOptions] = []  # with the last request
        self.summaries: Summaries = {}

    # --- the calls ----------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        self.summarise()
        return self._compare()

    def supply(self, outcomes: Outcomes) -> Request:
        self._take(outcomes)
        self._review()
        if self._check:
            return Request([])
        self._convert()
        return self._apply()

    def result(self, outcomes: Outcomes, send: Send) -> Results:
        self._take(outcomes)
        return self._report()

    # --- the steps ----------------------------------------------------------------------------------------------------

    def summarise(self) -> list[Credential]:
        """Read the sources of the credentials, and find out what the files will be and whose they are."""
        self._each(self._read)
        sources = [credential.source for credential in self._credentials if credential.source]
        self.summaries = self._converter.summaries(sources)
        good = {source: summary for source, summary in self.summaries.items() if isinstance(summary, Summary)}
        self.summaries = {**self.summaries, **self._judge(good)}
        self._each(self._summarise)
        subjects = {one.options: one.summary.facts["subject_dn"] for one in self._credentials if one.summary}
        refused = identity.refusals(subjects, self._register)
        self._credentials = [one.disowned(refused.get(one.options)) for one in self._credentials]
        return self._credentials

    def _read(self, credential: Credential) -> Credential:
        is_present = credential.options.state == "present"
        return replace(credential, source=self._read_source(credential.options)) if is_present else credential

    def _summarise(self, credential: Credential) -> Credential:
        if credential.source is None:
            return credential
        summary = self.summaries.get(credential.source)
        if isinstance(summary, Summary):
            return replace(credential, summary=summary)
        raise summary or credential.bug("it was not converted. Report this.")

    def _compare(self) -> Request:
        """Ask which files differ. Of a credential with an error, ask only about the services that use its files."""
        self._each(_check_paths)
        seen: set[tuple[Any, ...]] = set()
        self._each(lambda credential: _check_duplicate(credential, seen))
        asked = [one for one in self._credentials if one.error is None or wanted_files.services(one.options)]
        self._sent = [credential.options for credential in asked]
        return Request(list(map(wanted_files.file_set, asked)))

    def _review(self) -> None:
        """Refuse credentials that must not replace those in place."""
        self._each(self._review_one)
        # A credential without an account is placed again if the account is created.
        if not any(one.error and one.error.error_code == "no_account" for one in self._credentials):
            self._reviewed()

    def _review_one(self, credential: Credential) -> Credential:
        if credential.summary is None or not credential.outcome.needs:  # a removal, or nothing to replace
            return credential
        before = _certificate_in_place(credential)
        try:
            policy.review(credential.summary.facts, before, credential.options)
        except GridSecurityError as error:
            self._register.refuse(credential.options, credential.summary.facts)
            return replace(credential, before=before, error=error)
        return replace(credential, before=before)

    def _convert(self) -> None:
        """Convert the credentials of which the node lacks contents."""
        lacking = [one.source for one in self._credentials if one.error is None and one.outcome.needs and one.source]
        conversions = self._converter.conversions(lacking)
        self._each(lambda credential: _with_contents(credential, conversions))

    def _apply(self) -> Request:
        lacking = [one for one in self._credentials if one.error is None and one.outcome.needs]
        self._sent = [credential.options for credential in lacking]
        contents = {digest: content for one in lacking for digest, content in one.contents.items()}
        return Request(list(map(wanted_files.file_set, lacking)), contents)

    def _report(self) -> Results:
        for credential in self._credentials:
            if credential.error is None and credential.summary:
                self._register.accept(credential.options, credential.summary.facts)
        return {credential.options: results.of(credential, self._check) for credential in self._credentials}

    # --- all credentials ----------------------------------------------------------------------------------------------

    def _each(self, step: Callable[[Credential], Credential]) -> None:
        self._credentials = [credential.after(step) for credential in self._credentials]

    def _take(self, outcomes: Outcomes) -> None:
        """Note the engine's answer to the last request."""
        answers = dict(zip(self._sent, outcomes))
        self._credentials = [
            one.answered(answers[one.options]) if one.options in answers else one for one in self._credentials
        ]


def _check_paths(credential: Credential) -> Credential:
    """:raises GridSecurityError: ``bad_path``: no file can have one of the paths."""
    for name in ("directory", *PATHS):
        option_paths.check(getattr(credential.options, name) or "", f"{credential.options.label}: {name}")
    return credential


def _check_duplicate(credential: Credential, seen: set[tuple[Any, ...]]) -> Credential:
    """Refuse a second credential for the same files: the two would replace each other in every run.

    :param seen: the files of earlier credentials.
    """
    options = credential.options
    files = (options.owner, options.directory, options.cert_path, options.privatekey_path)
    if files in seen:
        raise GridSecurityError(
            "duplicate",
            f"{options.label}: an earlier item of credentials has the same owner and paths. Remove one of the two, or"
            " give one of them another directory, cert_path and privatekey_path.",
        )
    seen.add(files)
    return credential


def _certificate_in_place(credential: Credential) -> dict[str, str] | None:
    observed = list(credential.outcome.observed.values())
    if not observed:
        return None
    # Most runs replace no certificate, and this imports all code that reads certificates.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.module_utils._x509 import certificates

    return certificates.present(base64.b64decode(observed[0]))


def _with_contents(credential: Credential, conversions: Conversions) -> Credential:
    """Add the contents that the node lacks."""
    if credential.source not in conversions or credential.source is None:
        return credential
    conversion = conversions[credential.source]
    if isinstance(conversion, GridSecurityError):
        raise conversion
    contents = conversion.contents()
    if not set(credential.outcome.needs) <= set(contents):
        raise credential.bug(
            "its files differ from those in the cache. Remove the directory grid.security below ansible's home on the"
            " controller (~/.ansible), run again, and report this."
        )
    return replace(credential, contents={digest: contents[digest] for digest in credential.outcome.needs})
