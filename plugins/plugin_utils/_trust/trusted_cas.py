# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check on the controller that trusted CAs issued the credentials, and read the options for this check.

A good verdict holds until a certificate or a CRL of the chain expires, or the sources change. So a run with nothing to
do reads no CA. It compares the stamps of the source files, and takes the verdicts from the persistent cache. The
verdicts have entries of their own there, because CAs and CRLs change more often than archives.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import options as credential_options
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source, Summary
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache, run_cache
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import validated
from ansible_collections.grid.security.plugins.plugin_utils._trust import source_stamps
from ansible_collections.grid.security.plugins.plugin_utils._trust.source_options import read_source

__all__ = ["NONE", "OPTIONS", "ChainCheck", "TrustedCas", "complete", "take_out"]

Verdict = dict[str, Any]  # as of issuers.verdicts

_FILTERS = ("profiles", "include", "exclude", "exclude_expired")
_NAMES = ("trust_anchors", *(f"trust_anchors_{name}" for name in _FILTERS), "check_chain")
OPTIONS: dict[str, dict[str, Any]] = {name: credential_options.OPTIONS[name] for name in _NAMES}
_MOST_VERDICTS = 10_000  # that are kept for one set of sources
_LARGEST_FOR_NODE = 8 << 20  # characters of the CRLs that are sent to a node, for the archives on the node


NONE: dict[str, Any] = {"trust_anchors": None, "given": {}}  # take_out() of arguments without these options


@dataclass(frozen=True, eq=False)
class TrustedCas:
    """The CAs that may have issued a credential. :param filters: as of trust_anchors."""

    sources: list[dict[str, Any]]
    filters: dict[str, Any]


def take_out(arguments: dict[str, Any]) -> dict[str, Any]:
    """Remove this module's options from ``arguments``, and return them with defaults, for all items.

    :raises AnsibleActionFail: an option is of the wrong type.
    """
    return _read({name: arguments.pop(name) for name in _NAMES if name in arguments}, "")


def complete(options: dict[str, Any], item: dict[str, Any], shared: dict[str, Any], where: str) -> dict[str, Any]:
    """Return the options of one credential, with a :class:`TrustedCas` or None as ``trust_anchors``.

    :param options: all. :param item: as the user wrote it. :param shared: of :func:`take_out`.
    """
    own = {name: item[name] for name in _NAMES if name in item}
    chosen = _read({**shared["given"], **own}, where) if own else shared
    return {**options, "trust_anchors": chosen["trust_anchors"]}


def _read(given: dict[str, Any], where: str) -> dict[str, Any]:
    options = validated(OPTIONS, given, where)
    given_sources = enumerate(options["trust_anchors"] or [])
    sources = [read_source(given_source, f"{where}trust_anchors[{number}]: ") for number, given_source in given_sources]
    filters = {name: options[f"trust_anchors_{name}"] for name in _FILTERS}
    wanted = TrustedCas(sources, filters) if sources and options["check_chain"] else None
    return {"trust_anchors": wanted, "given": given}


@dataclass
class ChainCheck:
    """The check of the chains of a task's credentials. :param _action: the task's action."""

    _action: Any
    _keys: dict[int, str] = field(default_factory=dict, init=False)
    _material: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)

    def key(self, options: CredentialOptions) -> str:
        """Return a digest of the CAs, CRLs and filters that decide the verdict; empty if the chain is not checked.

        :raises GridSecurityError: ``no_source``.
        """
        cas = options.trust_anchors
        if cas is None:
            return ""
        if id(cas) not in self._keys:
            stamp = self._stamp(cas, options.label)
            decisive = json.dumps([stamp.anchors, stamp.crls, cas.sources, cas.filters])
            self._keys[id(cas)] = hashlib.sha256(decisive.encode()).hexdigest()
        return self._keys[id(cas)]

    def judge(self, summaries: dict[Source, Summary]) -> dict[Source, GridSecurityError]:
        """Return an error for each source whose certificate is not trusted."""
        groups: dict[str, dict[Source, Summary]] = {}
        for source, summary in summaries.items():
            groups.setdefault(self.key(source.options), {})[source] = summary
        groups.pop("", None)
        return {source: error for key, group in groups.items() for source, error in self._errors(key, group).items()}

    def for_node(self, options: CredentialOptions) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the options of a credential whose archive a node opens, and the CAs by the key in these options.

        :raises GridSecurityError: a source cannot be read, or the CRLs are too large.
        """
        key = self.key(options) if options.state == "present" else ""
        if not key:
            return {**options.values(), "trust_anchors": None}, {}
        trusted = self._trusted(options.trust_anchors, key)
        if sum(len(crl["der"]) for crl in trusted["crls"]) > _LARGEST_FOR_NODE:
            raise GridSecurityError(
                "too_large",
                f"{options.label}: trust_anchors: the CRLs have more than {_LARGEST_FOR_NODE >> 20} MB, too much to be"
                " sent to a node (remote_src: true). Leave the CRLs out of these sources.",
            )
        return {**options.values(), "trust_anchors": [key]}, {key: trusted}

    def _errors(self, key: str, group: dict[Source, Summary]) -> dict[Source, GridSecurityError]:
        """Return the error of each bad certificate. They are found once per run, for all hosts with the same list."""
        names = {source: _name(source, summary) for source, summary in group.items()}

        def produce() -> dict[str, Any]:
            verdicts = self._verdicts(key, group).items()
            return {"bad": {names[source]: verdict for source, verdict in verdicts if "error_code" in verdict}}

        bad = run_cache.memoize([b"verdicts", key.encode(), *(name.encode() for name in names.values())], produce)[
            "bad"
        ]
        return {
            source: GridSecurityError(bad[name]["error_code"], bad[name]["message"])
            for source, name in names.items()
            if name in bad
        }

    def _verdicts(self, key: str, group: dict[Source, Summary]) -> dict[Source, Verdict]:
        """Return the verdicts that no earlier run found, and store those that are good."""
        entry = persistent_cache.Entry(persistent_cache.Subject(b"chains" + key.encode()))
        now = times.iso(times.now())
        known = {digest: until for digest, until in (entry.read() or {}).items() if until > now}
        unknown = {source: summary for source, summary in group.items() if _digest(summary) not in known}
        verdicts = self._find(key, unknown)
        good = {
            _digest(unknown[source]): verdict["until"] for source, verdict in verdicts.items() if "until" in verdict
        }
        cas = next(iter(group)).options.trust_anchors
        if good and not self._stamp(cas, "").is_fresh:
            entry.write(dict(list({**known, **good}.items())[-_MOST_VERDICTS:]))
        return verdicts

    def _find(self, key: str, group: dict[Source, Summary]) -> dict[Source, Verdict]:
        if not group:
            return {}
        try:
            trusted = self._trusted(next(iter(group)).options.trust_anchors, key)
        except GridSecurityError as error:
            bad = {"error_code": error.error_code}
            return {source: {**bad, "message": f"{source.options.label}: {error.message}"} for source in group}
        # pylint: disable-next=import-outside-toplevel  # most runs check nothing
        from ansible_collections.grid.security.plugins.module_utils._credential import issuers

        return issuers.verdicts(group, trusted)

    def _trusted(self, cas: TrustedCas, key: str) -> dict[str, Any]:
        """Read the sources once per run, and return CAs and CRLs as :mod:`chain` takes them."""

        def produce() -> dict[str, Any]:
            # pylint: disable-next=import-outside-toplevel  # most runs read no source
            from ansible_collections.grid.security.plugins.plugin_utils._trust import ca_material

            return ca_material.collect(self._action, cas.sources, cas.filters)

        try:
            if key not in self._material:
                self._material[key] = run_cache.memoize([b"trusted", key.encode()], produce)
            return self._material[key]
        except AnsibleError as error:
            raise GridSecurityError("no_source", f"trust_anchors: {error}") from error
        except GridSecurityError as error:
            raise GridSecurityError(error.error_code, f"trust_anchors: {error.message}") from error

    def _stamp(self, cas: TrustedCas, name: str) -> source_stamps.Stamp:
        try:
            return source_stamps.take(self._action, cas.sources)
        except (AnsibleError, GridSecurityError) as error:
            raise GridSecurityError("no_source", f"{name}: trust_anchors: {error}") from error


def _digest(summary: Summary) -> str:
    return hashlib.sha256(json.dumps(summary.chain).encode()).hexdigest()


def _name(source: Source, summary: Summary) -> str:
    """Return a key for the verdict, whose message has the label."""
    return f"{_digest(summary)} {source.options.label}"
