# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the state of a credential, from its options to its result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source, Summary
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions

__all__ = ["Credential", "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """The answer of the engine about the files of a credential; see :func:`engine.converge`.

    :ivar needs: the digests of the contents that the node lacks.
    """

    changed: bool = False
    needs: list[str] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    observed: dict[str, str] = field(default_factory=dict)
    key_files: dict[str, Any] = field(default_factory=dict)
    services: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, answer: dict[str, Any]) -> Outcome:
        known = {name: answer[name] for name in cls.__dataclass_fields__ if answer.get(name)}
        return cls(**{**known, "key_files": dict(known.get("key_files", {}))})


@dataclass(frozen=True)
class Credential:
    """The state of one credential. A step returns a new state.

    :ivar source: of a present credential, after it is read.
    :ivar summary: of a present credential, after it is summarised.
    :ivar outcome: the last answer of the engine.
    :ivar before: the facts of the certificate in place that is to be replaced, after it is reviewed.
    :ivar contents: the contents that the node lacks, after they are converted.
    :ivar error: the failure. After it, the credential takes no further step.
    """

    options: CredentialOptions
    source: Source | None = None
    summary: Summary | None = None
    outcome: Outcome = field(default_factory=Outcome)
    before: dict[str, str] | None = None
    contents: dict[str, str] = field(default_factory=dict)
    error: GridSecurityError | None = None

    def answered(self, answer: dict[str, Any]) -> Credential:
        """Return the state after an answer of the engine."""
        outcome = Outcome.of(answer)
        if not answer.get("failed"):
            return replace(self, outcome=outcome)
        error = GridSecurityError(answer["error_code"], f"{self.options.label}: {answer['msg']}")
        # The call may have failed before the engine looked at the services again.
        services = [*self.outcome.services, *outcome.services]
        return replace(self, outcome=replace(outcome, services=services), error=self.error or error)

    def disowned(self, error: GridSecurityError | None) -> Credential:
        """Return the state after the certificate was compared with those of other owners."""
        return replace(self, summary=None, error=error) if error else self

    def bug(self, message: str) -> GridSecurityError:
        """Return the error for a mistake of this collection."""
        return GridSecurityError("internal", f"{self.options.label}: {message}")
