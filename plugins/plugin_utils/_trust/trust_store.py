# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trust directory: its layout, and the difference between what it should be and what a node has."""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import leftovers, manifest
from ansible_collections.grid.security.plugins.plugin_utils._action import places
from ansible_collections.grid.security.plugins.plugin_utils._action.places import Facts, Place, file_facts, link_facts
from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_files

if TYPE_CHECKING:
    from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["PATTERNS", "Update", "difference", "layout", "refuse_shrinking", "warnings"]

_HASH = "[0-9a-f]" * 8
_LINKED = ("signing_policy", "namespaces")
PATTERNS = [f"{_HASH}.[0-9]", "*.pem", "*.signing_policy", "*.namespaces", "*.info", "*.crl_url"]


def layout(anchors: list[Anchor]) -> Facts:
    """What should be in the directory, by name, as a manifest has it; files also carry ``content`` (Base64)."""
    facts: Facts = {}
    for anchor in anchors:
        facts[f"{anchor.alias}.pem"] = {**file_facts(anchor.pem, anchor.fingerprint), "ca": True}
        facts.update({f"{anchor.alias}.{ending}": file_facts(data) for ending, data in anchor.files.items()})
    by_alias = {anchor.alias: [anchor] for anchor in anchors}
    for digest, group in _by_hash(anchors).items():
        for number, anchor in enumerate(group):
            facts[f"{digest}.{number}"] = link_facts(f"{anchor.alias}.pem")
        for ending in _LINKED:
            # An anchor that is called by a hash has files that have the link's name already.
            named = [one for one in by_alias.get(digest, []) if one not in group]
            facts.update(_linked(digest, ending, [one for one in [*named, *group] if ending in one.files]))
    return facts


def _by_hash(anchors: list[Anchor]) -> dict[str, list[Anchor]]:
    """The anchors behind each hash; more than one if a CA has several certificates, in an order that never changes."""
    groups: dict[str, list[Anchor]] = {}
    for anchor in sorted(anchors, key=lambda one: one.fingerprint):
        for digest in dict.fromkeys(anchor.certificate.hashes):
            groups.setdefault(digest, []).append(anchor)
    return groups


def _linked(digest: str, ending: str, group: list[Anchor]) -> Facts:
    """A link to the one policy of a name, or a file with all of them: there is one name for several CAs."""
    contents = list(dict.fromkeys(anchor.files[ending] for anchor in group))
    if len(contents) > 1:
        return {f"{digest}.{ending}": file_facts(b"\n".join(contents))}
    if not group or digest in [anchor.alias for anchor in group]:
        return {}
    return {f"{digest}.{ending}": link_facts(f"{group[0].alias}.{ending}")}


def refuse_shrinking(wanted: Facts, found: Facts) -> None:
    """:raises GridSecurityError: ``shrink``: nothing, or less than half of the anchors in place, would be left."""
    present, remaining = _certificates(found), _certificates(wanted)
    removed = present - remaining
    if not remaining:
        raise GridSecurityError(
            "shrink",
            "sources and filters leave no trust anchor at all. Check them; if an empty trust directory is intended, say"
            " allow_shrink: true.",
        )
    if 2 * len(removed) > len(present):
        raise GridSecurityError(
            "shrink",
            f"{len(removed)} of the {len(present)} trust anchors in place would be removed, leaving {len(remaining)}."
            " If that is intended, set allow_shrink: true; if not, check sources and filters.",
        )


def _certificates(facts: Facts) -> set[str]:
    """Those that lie there as files or, as the distribution's packages have it, as links under their alias."""
    return {
        name for name, one in facts.items() if name.endswith(".pem") or (name[-2:-1] == "." and one["kind"] == "file")
    }


@dataclass
class Update:
    """What has to be done at a place, from the node's answer to the comparison."""

    place: Place
    outcome: InitVar[dict[str, Any]]
    purge: InitVar[bool] = True
    found: Facts = field(init=False)
    entries: list[dict[str, Any]] = field(init=False)
    contents: dict[str, str] = field(init=False)
    missing: list[str] = field(init=False)
    left: list[str] = field(init=False)
    seen: list[dict[str, Any]] = field(init=False)

    def __post_init__(self, outcome: dict[str, Any], purge: bool) -> None:
        found = outcome["found"] if outcome["changed"] else self.place.wanted
        self.found = {
            name: facts
            for name, facts in found.items()
            if name in self.place.wanted or self._is_ours(name, found, purge)
        }
        others = sorted(set(found) - set(self.found)) if purge else []
        self.left = [name for name in others if found[name]["kind"] != "directory"]
        self.entries, self.contents = difference(self.place.wanted, self.found)
        self.missing = outcome.get("missing", [])
        self.seen = [places.preconditions(self.place, outcome)] if "seen" in outcome else []

    def _is_ours(self, name: str, found: Facts, purge: bool) -> bool:
        """Directories are nothing that a trust directory has, whatever they are called."""
        if not (purge or leftovers.is_leftover(name)) or found[name]["kind"] == "directory":
            return False
        return self.place.patterns != PATTERNS or trust_files.is_removable(name, found)

    @property
    def request(self) -> dict[str, Any]:
        """The file set that does it, unless somebody else did something meanwhile."""
        return places.update_set(self.place, self.entries, self.seen)

    @property
    def is_needed(self) -> bool:
        """Whether anything differs."""
        return bool(self.entries or self.missing)


def warnings(updates: list[Update]) -> list[str]:
    """A line for each place with files that are not removed although no source has them."""
    return [line for one in updates for line in trust_files.warning(one.place.directory, one.left)]


def difference(wanted: Facts, found: Facts) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The entries for the engine that lead from ``found`` to ``wanted``, and the contents they need, by digest."""
    differing = [
        name for name in wanted if name not in found or manifest.line(wanted[name]) != manifest.line(found[name])
    ]
    entries = [places.entry(name, wanted[name]) for name in _ordered(differing, wanted, found)]
    gone = sorted(set(found) - set(wanted), key=lambda name: (found[name]["kind"] != "link", name))
    entries += [{"path": name, "state": "absent"} for name in [*gone, *_revocation_lists(gone, wanted)]]
    contents = {wanted[n]["sha256"]: wanted[n]["content"] for n in differing if wanted[n]["kind"] == "file"}
    return entries, contents


def _ordered(differing: list[str], wanted: Facts, found: Facts) -> list[str]:
    """Collision numbers shift when a CA of the same name comes or goes: a link that shows a certificate under its new
    number is written before the one that showed it so far is used for another."""
    ordered: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        hidden = found.get(name, {}).get("target")
        for other in differing if hidden else []:
            if wanted[other].get("target") == hidden and other[:-1] == name[:-1]:
                add(other)
        ordered.append(name)

    for name in differing:
        add(name)
    return ordered


def _revocation_lists(gone: list[str], wanted: Facts) -> list[str]:
    """The CRLs of hashes under which no certificate is left."""
    stems = {name[:-2] for name in gone if name[-2:-1] == "."} - {name[:-2] for name in wanted if name[-2:-1] == "."}
    return [f"{stem}.r{number}" for stem in sorted(stems) for number in range(10)]
