# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the sources of credentials. Each source is converted once."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Union

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import key_files
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der

__all__ = [
    "FILES",
    "Answers",
    "Conversion",
    "Conversions",
    "Converter",
    "Source",
    "Summaries",
    "Summary",
    "summary_of",
]

FILES = ("certificate", "privatekey", "other_certs")


@dataclass(frozen=True, eq=False)
class Source:
    """The files that a credential is made from. No two sources are equal.

    :param data: the archive, or the certificate if there is a ``privatekey`` beside it.
    """

    options: CredentialOptions
    data: bytes = field(repr=False)
    privatekey: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Summary:
    """A conversion without the contents of its files. It holds nothing secret.

    :ivar files: the digest and the size of each of the :data:`FILES`.
    :ivar facts: as :func:`certificates.describe` returns them.
    :ivar chain: the certificate, and others that may lead to a CA (DER in Base64); see :mod:`chain`.
    :ivar key: :func:`key_files.describe` of the private key's file, with the ``algorithm`` of the certificate.
    """

    files: dict[str, dict[str, Any]]
    facts: dict[str, str]
    warnings: list[str]
    chain: list[str]
    key: dict[str, Any]


@dataclass(frozen=True)
class Conversion:
    """The files of a credential as PEM text, and facts about them; see :class:`Summary`."""

    certificate: str
    privatekey: str = field(repr=False)
    other_certs: str
    facts: dict[str, str]
    warnings: list[str]
    chain: list[str]

    def contents(self) -> dict[str, str]:
        """Return the contents of the files as the engine takes them: Base64 by SHA-256."""
        return {hashlib.sha256(data).hexdigest(): base64.b64encode(data).decode() for data in self._files().values()}

    def summary(self) -> Summary:
        """Return the conversion with digests in place of contents."""
        files = {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in self._files().items()
        }
        algorithm = certificate_der.key_type(base64.b64decode(self.chain[0]))
        key = {**key_files.describe(self.privatekey.encode()), "algorithm": algorithm}
        return Summary(files, self.facts, self.warnings, self.chain, key)

    def _files(self) -> dict[str, bytes]:
        return {name: getattr(self, name).encode() for name in FILES}


Answer = Union[dict[str, Any], GridSecurityError]
Answers = dict[Source, Answer]
Conversions = dict[Source, Union[Conversion, GridSecurityError]]
Summaries = dict[Source, Union[Summary, GridSecurityError]]


@dataclass
class Converter:
    """Converts each source once, and keeps the conversions in memory."""

    _answers: Answers = field(default_factory=dict, init=False, repr=False)

    def summaries(self, sources: Collection[Source]) -> Summaries:
        """Return the summary of each source, or the error of its conversion."""
        return {source: summary_of(answer) for source, answer in self.answers(sources).items()}

    def conversions(self, sources: Collection[Source]) -> Conversions:
        """Return the conversion of each source, or its error."""
        return {source: _conversion_of(answer) for source, answer in self.answers(sources).items()}

    def answers(self, sources: Collection[Source]) -> Answers:
        """Return the fields of the conversion of each source, or its error."""
        self._answers.update(_convert([source for source in sources if source not in self._answers]))
        return {source: self._answers[source] for source in sources}


def summary_of(answer: Answer) -> Summary | GridSecurityError:
    """Return the summary of a conversion. :param answer: as of :meth:`Converter.answers`."""
    conversion = _conversion_of(answer)
    return conversion.summary() if isinstance(conversion, Conversion) else conversion


def _conversion_of(answer: Answer) -> Conversion | GridSecurityError:
    return answer if isinstance(answer, GridSecurityError) else Conversion(**answer)


def _convert(sources: list[Source]) -> Answers:
    """Convert in processes of their own, as many at a time as there are processors."""
    if not sources:
        return {}
    # Most runs convert nothing, and this imports all code for PKCS#12, keys and certificates.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.module_utils._credential import convert

    return dict(zip(sources, sandbox.run_all([convert.job(source) for source in sources])))
