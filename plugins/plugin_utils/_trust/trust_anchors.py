# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust anchors on the controller: options, rendering through the memo, and the task's result."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation, Request
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache, places, run_cache
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, validated
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Facts, Place
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_sources,
    shadows,
    source_stamps,
    system_store,
    trust_store,
    verified,
)
from ansible_collections.grid.security.plugins.plugin_utils._trust.source_options import SOURCE, read_source

__all__ = ["OPTIONS", "SOURCE", "key_parts", "place", "read_groups", "read_options", "read_source", "result"]

OPTIONS: dict[str, dict[str, Any]] = {
    "sources": {"type": "list", "elements": "raw", "required": True},
    "path": {"type": "str", "default": "/etc/grid-security/certificates"},
    "profiles": {"type": "list", "elements": "str", "default": []},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "exclude_expired": {"type": "bool", "default": False},
    "on_unreadable": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
    "purge": {"type": "bool", "default": True},
    "allow_shrink": {"type": "bool", "default": False},
    "bundle_path": {"type": "str"},
    "java_truststore_path": {"type": "str"},
    "system_store": {"type": "bool", "default": False},
    "accounts": {"type": "list", "elements": "str", "default": []},
}
_MOST_SHOWN = 50  # files in a diff
_NOTHING: dict[str, Any] = {name: [] for name in ("added", "removed", "replaced", "files", "places")}


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Make the trust directory, and what else should hold the same CAs, what the sources say; return the result."""
    options = read_options(arguments)
    family = system_store.detect(action) if options["system_store"] else None
    wanted = _Rendering(action, options, family)
    outline = wanted.outline()
    outcomes = yield Request([*outline["sets"], *shadows.compare_sets(options["accounts"])])
    number = len(outline["sets"])
    warnings = outline["warnings"] + shadows.warnings(outcomes[number:], options["path"])
    places.raise_failure(outcomes[:number])
    if outline["anchors"] and not any(one["changed"] for one in outcomes[:number]):
        return {"changed": False, "warnings": warnings, **_NOTHING, "summary": ["not changed"]}
    updates = [trust_store.Update(*pair, purge=options["purge"]) for pair in zip(wanted.places(), outcomes)]
    if not options["allow_shrink"]:
        trust_store.refuse_shrinking(updates[0].place.wanted, updates[0].found)
    warnings += trust_store.warnings(updates)
    needed = [update for update in updates if update.is_needed]
    if needed and not action.check_mode:
        yield from _apply(action, needed, family)
    return result(updates, warnings, action.diff)


def _apply(action: GridAction, needed: list[trust_store.Update], family: str | None) -> Conversation:
    contents = {digest: content for one in needed for digest, content in one.contents.items()}
    places.raise_failure((yield Request([one.request for one in needed], contents)))
    for update in needed:
        if family and update.place.name == system_store.NAME:
            yield from system_store.refresh(action, family, update.place, update.found)


def read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """The complete options, each source as a dictionary.

    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    """
    options = validated(OPTIONS, arguments, module="trust_anchors")
    options["sources"] = [read_source(one, f"sources[{number}]: ") for number, one in enumerate(options["sources"])]
    _check_paths(options)
    return options


def _check_paths(options: dict[str, Any]) -> None:
    taken: dict[str, str] = {}
    for name in ("path", "bundle_path", "java_truststore_path"):
        path = options[name] and os.path.normpath(options[name])
        if path and not os.path.isabs(path):
            raise AnsibleActionFail(f"{name}: {path} must be an absolute path of the node.")
        if path and (path in taken or os.path.dirname(path) == os.path.normpath(options["path"])):
            raise AnsibleActionFail(
                f"{name}: {path} is or lies in what {taken.get(path, 'path')} says, where it would be taken for a trust"
                " anchor or overwritten. Name another place."
            )
        taken[path] = name


class _Rendering:
    """What the sources come to: the outline is known from earlier runs while the sources stay as they are, the rest is
    rendered once per run, and only if a node differs.

    :param family: of systems, as :func:`system_store.detect` says, if the system's trust store is to have them too.
    """

    def __init__(self, action: GridAction, options: dict[str, Any], family: str | None) -> None:
        self._action, self._options, self._family = action, options, family
        self._stamp = source_stamps.take(action, options["sources"])
        self._key = json.dumps([self._stamp.anchors, options, family]).encode()

    def outline(self) -> dict[str, Any]:
        """The ``sets`` that compare each place by a digest, ``warnings``, and the number of ``anchors``.

        :raises GridSecurityError: whatever is wrong with the sources.
        """
        return run_cache.memoize([b"outline", self._key], self._find_outline)

    def places(self) -> list[Place]:
        """The places that get the anchors, the trust directory first.

        :raises GridSecurityError: whatever is wrong with the sources.
        """
        return [Place(**one) for one in self._rendered()["places"]]

    def _find_outline(self) -> dict[str, Any]:
        about = hashlib.sha256(json.dumps([self._options, self._family]).encode()).hexdigest()
        page = persistent_cache.Entry(persistent_cache.Subject(b"anchors" + self._key, about=(about,)))
        known = page.read()
        if known is None or (known["until"] and known["until"] <= times.iso(times.now())):
            known = _outline(self._rendered())
            if not self._stamp.is_fresh:
                page.write(known)
                persistent_cache.remove_superseded({about})
        return dict(known)

    def _rendered(self) -> dict[str, Any]:
        return run_cache.memoize([b"places", self._key], self._render)

    def _render(self) -> dict[str, Any]:
        # Most runs render nothing, and this brings in all that reads certificates.
        # pylint: disable-next=import-outside-toplevel
        from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_rendering

        return anchor_rendering.render(read_groups(self._action, self._options["sources"]), self._options, self._family)


def _outline(rendered: dict[str, Any]) -> dict[str, Any]:
    return {
        "sets": [places.compare_set(Place(**one)) for one in rendered["places"]],
        **{name: rendered[name] for name in ("warnings", "anchors", "until")},
    }


def read_groups(action: GridAction, sources: list[dict[str, Any]], crls: bool = False) -> list[anchor_sources.Group]:
    """What the sources hold.

    :param crls: whether to read CRLs, too.
    :raises GridSecurityError: whatever is wrong with reading them.
    """
    return [group for source in sources for group in anchor_sources.read(source, action.find, _fetch_once, crls)]


def key_parts(groups: list[anchor_sources.Group]) -> list[bytes]:
    """What the sources hold, as parts of a key for :func:`run_cache.memoize`."""
    parts = []
    for group in groups:
        parts.append(_encoded(group.where))
        parts += [part for name, data in group.files.items() for part in (_encoded(name), data)]
    return parts


def _encoded(text: str) -> bytes:
    """Names of files need not be text."""
    return text.encode(errors="surrogatepass")


def _fetch_once(url: str) -> bytes:
    parts = [b"url", url.encode()]
    return base64.b64decode(
        run_cache.memoize(parts, lambda: {"data": base64.b64encode(verified.fetch(url)).decode()})["data"]
    )


def result(updates: list[trust_store.Update], warnings: list[str], diff: bool) -> dict[str, Any]:
    """The task's result. :param updates: of all places, the trust directory's first."""
    needed = [update for update in updates if update.is_needed]
    what = _describe(updates[0].place.wanted, updates[0].found)
    told: dict[str, Any] = {"changed": bool(needed), "warnings": warnings, **what}
    other, same = _other_files(updates[0], {one["alias"] for named in what.values() for one in named})
    told["files"] = other + same
    told["places"] = [update.place.name for update in needed]
    told["summary"] = [_summary(told, len(same))]
    if diff and needed:
        told["diff"] = [{"prepared": "".join(f"{line}\n" for line in _lines(told, needed))}]
    return told


def _summary(told: dict[str, Any], same: int) -> str:
    """:param same: how many of the files and links only had another form."""
    numbers = [f"CAs {name}: {len(told[name])}" for name in ("added", "removed", "replaced") if told[name]]
    if len(told["files"]) > same:
        numbers.append(f"other files and links that differed: {len(told['files']) - same}")
    if same:
        numbers.append(f"files and links with the same content in another form: {same}")
    return ", ".join(numbers) or "not changed"


def _other_files(update: trust_store.Update, changed: set[str]) -> tuple[list[str], list[str]]:
    """Return what differs of CAs that stay: files with other content, and files that only had another form.

    :param changed: the aliases of CAs that do not stay, which are told by name.
    """
    lines: tuple[list[str], list[str]] = ([], [])
    for path in (entry["path"] for entry in update.entries):
        before, after = _resolved(path, update.found), _resolved(path, update.place.wanted)
        known = [facts.get("target") or path for facts in (before, after) if facts]  # links are called by a hash
        if known and not {os.path.basename(name).rpartition(".")[0] for name in known} & changed:
            lines[_is_other_form(before, after)].append(f"{path}: {places.words(before, after)}")
    return lines


def _is_other_form(before: dict[str, Any] | None, after: dict[str, Any] | None) -> bool:
    """Return whether a file and a link, or two links, have the same content."""
    forms = {(facts["kind"], facts.get("target")) if facts else None for facts in (before, after)}
    return len(forms) == 2 and places.has_same_content(before, after)


def _resolved(path: str, facts: Facts) -> dict[str, Any] | None:
    """Return the facts of a file or link; of a link in the same directory with the file that it leads to."""
    one = facts.get(path)
    beside = facts.get(one.get("target") or "") if one else None
    return {**one, "leads_to": beside["sha256"]} if one and beside and beside.get("sha256") else one


def _lines(told: dict[str, Any], needed: list[trust_store.Update]) -> Iterator[str]:
    for sign, key in (("-", "removed"), ("+", "added"), ("~", "replaced")):
        yield from (f"{sign} {one['alias']} ({one['sha256_fingerprint']})" for one in told[key])
    yield from told["files"][:_MOST_SHOWN]
    if len(told["files"]) > _MOST_SHOWN:
        yield f"and {len(told['files']) - _MOST_SHOWN} files and links more"
    for update in needed:
        yield f"{update.place.name}: {len(update.entries)} files and links differ"


def _describe(wanted: Facts, found: Facts) -> dict[str, Any]:
    """What is added, removed and replaced, by alias and fingerprint.

    Which certificate a link led to is not always known. That there is a file now is told among the files.
    """
    before, after = _certificates(found), _certificates(wanted)
    other = [
        one
        for one in sorted({*after} & {*before})
        if (found[f"{one}.pem"]["kind"] == "file" or before[one]) and after[one] != before[one]
    ]
    return {
        "added": [_named(alias, after) for alias in sorted(set(after) - set(before))],
        "removed": [_named(alias, before) for alias in sorted(set(before) - set(after))],
        "replaced": [_named(one, after) for one in other],
    }


def _certificates(facts: Facts) -> dict[str, Any]:
    return {name[: -len(".pem")]: one.get("certificate") for name, one in facts.items() if name.endswith(".pem")}


def _named(alias: str, fingerprints: dict[str, Any]) -> dict[str, Any]:
    return {"alias": alias, "sha256_fingerprint": fingerprints[alias]}
