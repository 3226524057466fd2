# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check on the controller that trusted CAs issued the credentials, and read the options for this check.

A good verdict is valid until a certificate or a CRL of the chain expires, or the sources change. So a run with nothing
to do reads no CA. It compares the stamps of the source files, and takes the verdicts from the persistent cache.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import deploy
from ansible_collections.grid.security.plugins.module_utils._credential.renderers import Outcome, Source, label
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache, run_cache
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import validated
from ansible_collections.grid.security.plugins.plugin_utils._trust import source_stamps
from ansible_collections.grid.security.plugins.plugin_utils._trust.source_options import read_source

__all__ = ["OPTIONS", "ChainCheck", "TrustedCas", "complete", "take_out"]

_FILTERS = ("profiles", "include", "exclude", "exclude_expired")
_NAMES = ("trust_anchors", *(f"trust_anchors_{name}" for name in _FILTERS), "check_chain")
OPTIONS: dict[str, dict[str, Any]] = {name: deploy.OPTIONS[name] for name in _NAMES}
_MOST_VERDICTS = 10_000  # in the cache for one set of sources
_LARGEST_FOR_NODE = 8 << 20  # characters of the CRLs that are sent to a node, for the archives on the node


@dataclass(frozen=True, eq=False)
class TrustedCas:
    """The CAs that may have issued a credential. :param filters: as of trust_anchors."""

    sources: list[dict[str, Any]]
    filters: dict[str, Any]


@dataclass(frozen=True)
class _Item:
    """A credential whose chain is checked."""

    options: dict[str, Any]
    chain: list[str]

    @property
    def label(self) -> str:
        """The credential in messages."""
        return label(self.options)

    @functools.cached_property
    def digest(self) -> str:
        """The key of the verdict in the persistent cache."""
        return hashlib.sha256(json.dumps(self.chain).encode()).hexdigest()


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
    sources = [read_source(source, f"{where}trust_anchors[{number}]: ") for number, source in given_sources]
    filters = {name: options[f"trust_anchors_{name}"] for name in _FILTERS}
    wanted = TrustedCas(sources, filters) if sources and options["check_chain"] else None
    return {"trust_anchors": wanted, "given": given}


class ChainCheck:
    """The check of the chains of a task's credentials. :param action: the task's action."""

    def __init__(self, action: Any) -> None:
        self._action = action
        self._keys: dict[int, str] = {}
        self._material: dict[str, dict[str, Any]] = {}

    def key(self, options: dict[str, Any]) -> str:
        """Return a digest of the CAs, CRLs and filters that decide the verdict; empty if the chain is not checked.

        :raises GridSecurityError: ``no_source``.
        """
        cas = options["trust_anchors"]
        if cas is None:
            return ""
        if id(cas) not in self._keys:
            stamp = self._stamp(cas, label(options))
            decisive = json.dumps([stamp.anchors, stamp.crls, cas.sources, cas.filters])
            self._keys[id(cas)] = hashlib.sha256(decisive.encode()).hexdigest()
        return self._keys[id(cas)]

    def judge(self, sources: list[Source], outcomes: list[Outcome]) -> list[Outcome]:
        """Return the outcomes, with an error in place of each summary whose certificate is not trusted."""
        judged = list(outcomes)
        groups: dict[str, dict[int, _Item]] = {}
        for number, (source, outcome) in enumerate(zip(sources, outcomes)):
            key = self.key(source.options)
            if key and not isinstance(outcome, GridSecurityError):
                groups.setdefault(key, {})[number] = _Item(source.options, outcome["chain"])
        for key, items in groups.items():
            for number, error in self._check(key, items).items():
                judged[number] = error
        return judged

    def for_node(self, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the options of a credential whose archive a node opens, and the CAs by the key in these options.

        :raises GridSecurityError: ``too_large``, and as :func:`ca_material.collect`.
        """
        key = self.key(options) if options["state"] == "present" else ""
        if not key:
            return {**options, "trust_anchors": None}, {}
        trusted = self._trusted(options, key)
        if sum(len(known["der"]) for known in trusted["crls"]) > _LARGEST_FOR_NODE:
            raise GridSecurityError(
                "too_large",
                f"{label(options)}: trust_anchors: the CRLs have more than {_LARGEST_FOR_NODE >> 20} MB, too much to be"
                " sent to a node (remote_src: true). Leave the CRLs out of these sources.",
            )
        return {**options, "trust_anchors": [key]}, {key: trusted}

    def _check(self, key: str, items: dict[int, _Item]) -> dict[int, GridSecurityError]:
        """Return the error of each bad item. Most verdicts are known from earlier runs."""
        entry = persistent_cache.Page(persistent_cache.Subject(b"chains" + key.encode()))
        now = times.iso(times.now())
        known = {digest: until for digest, until in (entry.read() or {}).items() if until > now}
        unknown = {number: item for number, item in items.items() if item.digest not in known}
        verdicts = self._verdicts(key, unknown)
        good = {items[number].digest: verdict["until"] for number, verdict in verdicts.items() if "until" in verdict}
        if good and not self._stamp(next(iter(items.values())).options["trust_anchors"], "").is_fresh:
            entry.write(dict(list({**known, **good}.items())[-_MOST_VERDICTS:]))
        bad = {number: verdict for number, verdict in verdicts.items() if "error_code" in verdict}
        return {number: GridSecurityError(verdict["error_code"], verdict["message"]) for number, verdict in bad.items()}

    def _verdicts(self, key: str, items: dict[int, _Item]) -> dict[int, dict[str, Any]]:
        """Return the verdicts about items, as of :func:`chain.judge`."""
        if not items:
            return {}
        # pylint: disable-next=import-outside-toplevel  # most runs check nothing
        from ansible_collections.grid.security.plugins.module_utils._x509 import chain

        try:
            trusted = self._trusted(next(iter(items.values())).options, key)
        except GridSecurityError as error:
            code, message = error.error_code, error.message
            return {
                number: {"error_code": code, "message": f"{item.label}: {message}"} for number, item in items.items()
            }
        return dict(zip(items, chain.judge([(item.label, item.chain) for item in items.values()], trusted)))

    def _trusted(self, options: dict[str, Any], key: str) -> dict[str, Any]:
        """Read the sources once per run, and return CAs and CRLs as :mod:`chain` takes them."""
        cas: TrustedCas = options["trust_anchors"]

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
