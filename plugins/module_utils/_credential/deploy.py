# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deploy credentials in steps: read, summarise, compare, review, convert, apply, report.

The steps run on the controller, or on a node that has the archives. A credential that fails does not stop the others.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Union

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
Files = tuple[Union[str, None], ...]


@dataclass(eq=False)
class CredentialExchange(Exchange):
    """Places credentials, or removes them. The result has the result of each credential by its options.

    :param options: of each credential. A credential with an error in its options is not placed.
    :param read: returns the source of a credential.
    :param check: whether nothing is changed.
    :param judge: returns an error for each source whose certificate is not trusted.
    :param register: the owners of credentials in this run.
    :param reviewed: called when no credential can be refused any more, before contents are sent.
    """

    options: list[CredentialOptions]
    read: Read
    converter: Converter
    check: bool
    judge: Judge = lambda _summaries: {}
    register: identity.Register = field(default_factory=identity.Register)
    reviewed: Callable[[], None] = lambda: None
    summaries: Summaries = field(default_factory=dict, init=False)
    _credentials: list[Credential] = field(default_factory=list, init=False)
    _sent: list[CredentialOptions] = field(default_factory=list, init=False)  # with the last request

    # --- the calls ----------------------------------------------------------------------------------------------------

    def request(self) -> Request:
        self.summarise()
        return self._compare()

    def supply(self, outcomes: Outcomes) -> Request:
        self._take(outcomes)
        self._review()
        if self.check:
            return Request([])
        self._convert()
        return self._apply()

    def result(self, outcomes: Outcomes, send: Send) -> Results:
        self._take(outcomes)
        return self._report()

    # --- the steps ----------------------------------------------------------------------------------------------------

    def summarise(self) -> list[Credential]:
        """Read and summarise the sources of the credentials, and check trust and owners."""
        self._credentials = [Credential(options, error=options.error) for options in self.options]
        self._each(self._read)
        sources = [credential.source for credential in self._credentials if credential.source]
        self.summaries = self.converter.summaries(sources)
        good = {source: summary for source, summary in self.summaries.items() if isinstance(summary, Summary)}
        self.summaries = {**self.summaries, **self.judge(good)}
        self._each(self._summarise)
        subjects = {
            credential.options: credential.summary.facts["subject_dn"]
            for credential in self._credentials
            if credential.summary
        }
        refused = identity.refusals(subjects, self.register)
        self._credentials = [credential.disowned(refused.get(credential.options)) for credential in self._credentials]
        return self._credentials

    def _read(self, credential: Credential) -> Credential:
        is_present = credential.options.state == "present"
        return replace(credential, source=self.read(credential.options)) if is_present else credential

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
        self._refuse_duplicates()
        asked = [
            credential
            for credential in self._credentials
            if credential.error is None or wanted_files.services(credential.options)
        ]
        self._sent = [credential.options for credential in asked]
        return Request(list(map(wanted_files.file_set, asked)))

    def _refuse_duplicates(self) -> None:
        """Refuse all but the first credential for the same files: they would replace each other in every run."""
        first: dict[Files, CredentialOptions] = {}
        for options in self.options:
            if options.error is None:
                first.setdefault(_files(options), options)
        self._each(lambda credential: _check_first(credential, first))

    def _review(self) -> None:
        """Refuse credentials that must not replace those in place."""
        self._each(self._review_one)
        # A credential without an account is placed again if the account is created.
        if not any(
            credential.error and credential.error.error_code == "no_account" for credential in self._credentials
        ):
            self.reviewed()

    def _review_one(self, credential: Credential) -> Credential:
        if credential.summary is None or not credential.outcome.needs:  # a removal, or nothing to replace
            return credential
        before = _certificate_in_place(credential)
        try:
            policy.review(credential.summary.facts, before, credential.options)
        except GridSecurityError as error:
            self.register.refuse(credential.options, credential.summary.facts)
            return replace(credential, before=before, error=error)
        return replace(credential, before=before)

    def _convert(self) -> None:
        """Convert the credentials of which the node lacks contents."""
        lacking = [
            credential.source
            for credential in self._credentials
            if credential.error is None and credential.outcome.needs and credential.source
        ]
        conversions = self.converter.conversions(lacking)
        self._each(lambda credential: _with_contents(credential, conversions))

    def _apply(self) -> Request:
        lacking = [
            credential for credential in self._credentials if credential.error is None and credential.outcome.needs
        ]
        self._sent = [credential.options for credential in lacking]
        contents = {digest: content for credential in lacking for digest, content in credential.contents.items()}
        return Request(list(map(wanted_files.file_set, lacking)), contents)

    def _report(self) -> Results:
        for credential in self._credentials:
            if credential.error is None and credential.summary:
                self.register.accept(credential.options, credential.summary.facts)
        return {credential.options: results.of(credential, self.check) for credential in self._credentials}

    # --- all credentials ----------------------------------------------------------------------------------------------

    def _each(self, step: Callable[[Credential], Credential]) -> None:
        """Take a step with each credential without an error. The step may raise the error of the credential."""
        self._credentials = [_after(credential, step) for credential in self._credentials]

    def _take(self, outcomes: Outcomes) -> None:
        """Note the engine's answer to the last request."""
        answers = dict(zip(self._sent, outcomes))
        self._credentials = [
            credential.answered(answers[credential.options]) if credential.options in answers else credential
            for credential in self._credentials
        ]


def _after(credential: Credential, step: Callable[[Credential], Credential]) -> Credential:
    if credential.error is not None:
        return credential
    try:
        return step(credential)
    except GridSecurityError as error:
        return replace(credential, error=error)


def _check_paths(credential: Credential) -> Credential:
    """Refuse paths that no file can have.

    :raises GridSecurityError: ``bad_path``.
    """
    for name in ("directory", *PATHS):
        option_paths.check(getattr(credential.options, name) or "", f"{credential.options.label}: {name}")
    return credential


def _files(options: CredentialOptions) -> Files:
    return options.owner, options.directory, options.cert_path, options.privatekey_path


def _check_first(credential: Credential, first: dict[Files, CredentialOptions]) -> Credential:
    """Refuse a credential that is not the first for its files. :param first: the first credential by files."""
    if first[_files(credential.options)] is credential.options:
        return credential
    raise GridSecurityError(
        "duplicate",
        f"{credential.options.label}: an earlier item of credentials has the same owner and paths. Remove one of the"
        " two, or give one of them another directory, cert_path and privatekey_path.",
    )


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
