# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lay out a trust directory, and find how the directory of a node differs from the layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import leftovers, manifest
from ansible_collections.grid.security.plugins.plugin_utils._action import file_facts, managed_directory
from ansible_collections.grid.security.plugins.plugin_utils._action.file_facts import Facts
from ansible_collections.grid.security.plugins.plugin_utils._action.managed_directory import Compared, ManagedDirectory
from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_files

if TYPE_CHECKING:
    from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor

__all__ = ["PATTERNS", "Update", "difference", "layout", "refuse_shrinking", "update", "warnings"]

_HASH = "[0-9a-f]" * 8
_LINKED = ("signing_policy", "namespaces")
PATTERNS = [f"{_HASH}.[0-9]", "*.pem", "*.signing_policy", "*.namespaces", "*.info", "*.crl_url"]


def layout(anchors: list[Anchor]) -> Facts:
    """Return the files and links of the directory, by name."""
    facts: Facts = {}
    for anchor in anchors:
        facts[f"{anchor.alias}.pem"] = {**file_facts.of_file(anchor.pem, anchor.fingerprint), "ca": True}
        facts.update({f"{anchor.alias}.{ending}": file_facts.of_file(data) for ending, data in anchor.files.items()})
    by_alias = {anchor.alias: [anchor] for anchor in anchors}
    for digest, group in _by_hash(anchors).items():
        for number, anchor in enumerate(group):
            facts[f"{digest}.{number}"] = file_facts.of_link(f"{anchor.alias}.pem")
        for ending in _LINKED:
            # The files of a CA whose alias is a hash have the name of the link already.
            named = [anchor for anchor in by_alias.get(digest, []) if anchor not in group]
            having = [anchor for anchor in [*named, *group] if ending in anchor.files]
            facts.update(_linked(digest, ending, having))
    return facts


def _by_hash(anchors: list[Anchor]) -> dict[str, list[Anchor]]:
    """Return the CA certificates by hash, in an order that never changes.

    A hash has several certificates if a CA has several.
    """
    groups: dict[str, list[Anchor]] = {}
    for anchor in sorted(anchors, key=lambda anchor: anchor.fingerprint):
        for digest in dict.fromkeys(anchor.certificate.hashes):
            groups.setdefault(digest, []).append(anchor)
    return groups


def _linked(digest: str, ending: str, group: list[Anchor]) -> Facts:
    """Return a link to the policy of a hash, or a file with all policies if several CAs have this hash."""
    contents = list(dict.fromkeys(anchor.files[ending] for anchor in group))
    if len(contents) > 1:
        return {f"{digest}.{ending}": file_facts.of_file(b"\n".join(contents))}
    if not group or digest in [anchor.alias for anchor in group]:
        return {}
    return {f"{digest}.{ending}": file_facts.of_link(f"{group[0].alias}.{ending}")}


def refuse_shrinking(wanted: Facts, found: Facts) -> None:
    """Refuse to remove more than half of the anchors in place.

    :raises GridSecurityError: ``shrink``: less than half of the anchors, or none, would be left.
    """
    present, remaining = _certificates(found), _certificates(wanted)
    removed = present - remaining
    if not remaining:
        raise GridSecurityError(
            "shrink",
            "sources and filters leave no trust anchor at all. Check them; if an empty trust directory is intended, set"
            " allow_shrink: true.",
        )
    if 2 * len(removed) > len(present):
        raise GridSecurityError(
            "shrink",
            f"{len(removed)} of the {len(present)} trust anchors in place would be removed, leaving {len(remaining)}."
            " If that is intended, set allow_shrink: true; if not, check sources and filters.",
        )


def _certificates(facts: Facts) -> set[str]:
    """Return the names of the certificates: files, or links with an alias as packages of distributions have them."""
    return {
        name
        for name, known in facts.items()
        if name.endswith(".pem") or (name[-2:-1] == "." and known["kind"] == "file")
    }


@dataclass(frozen=True)
class Update:
    """The changes that a directory needs.

    :param found: the files of the directory that the collection manages. :param entries: for the engine.
    :param contents: of the entries, in Base64, by SHA-256.
    :param missing: the files whose certificate the system's bundle lacks.
    :param left: files that are not removed although no source has them.
    :param preconditions: as of :class:`managed_directory.Compared`.
    """

    directory: ManagedDirectory
    found: Facts
    entries: list[dict[str, Any]]
    contents: dict[str, str]
    missing: list[str]
    left: list[str]
    preconditions: list[dict[str, Any]]

    @property
    def file_set(self) -> dict[str, Any]:
        """The file set that makes the changes."""
        return managed_directory.update_set(self.directory, self.entries, self.preconditions)

    @property
    def is_needed(self) -> bool:
        """Whether anything differs."""
        return bool(self.entries or self.missing)


def update(directory: ManagedDirectory, outcome: dict[str, Any], purge: bool = True) -> Update:
    """Return the changes that a directory needs.

    :param outcome: the engine's answer to the comparison. :param purge: whether files that no source has are removed.
    """
    compared = Compared(directory, outcome)
    managed = {name: facts for name, facts in compared.found.items() if _is_managed(name, compared, purge)}
    others = sorted(set(compared.found) - set(managed)) if purge else []
    return Update(
        directory,
        managed,
        *difference(directory.wanted, managed),
        missing=outcome.get("missing", []),
        left=[name for name in others if compared.found[name]["kind"] != "directory"],
        preconditions=[compared.preconditions] if "seen" in outcome else [],
    )


def _is_managed(name: str, compared: Compared, purge: bool) -> bool:
    """Return whether the file ``name`` may be replaced or removed. Other directories are never removed."""
    if name in compared.directory.wanted:
        return True
    if not (purge or leftovers.is_leftover(name)) or compared.found[name]["kind"] == "directory":
        return False
    return compared.directory.patterns != PATTERNS or trust_files.is_removable(name, compared.found)


def warnings(updates: list[Update]) -> list[str]:
    """Return a line for each directory with files that are not removed although no source has them."""
    return [line for change in updates for line in trust_files.warning(change.directory.path, change.left)]


def difference(wanted: Facts, found: Facts) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the engine's entries that lead from ``found`` to ``wanted``, and the contents they need, by SHA-256."""
    differing = [name for name, facts in wanted.items() if name not in found or _differ(facts, found[name])]
    gone = sorted(set(found) - set(wanted), key=lambda name: (found[name]["kind"] != "link", name))
    entries = [file_facts.entry(name, wanted[name]) for name in _ordered(differing, wanted, found)]
    entries += [file_facts.entry(name, None) for name in [*gone, *_crls(gone, wanted)]]
    files = [wanted[name] for name in differing if wanted[name]["kind"] == "file"]
    return entries, {facts["sha256"]: facts["content"] for facts in files}


def _differ(facts: dict[str, Any], other: dict[str, Any]) -> bool:
    return manifest.line(facts) != manifest.line(other)


def _ordered(differing: list[str], wanted: Facts, found: Facts) -> list[str]:
    """Return the names in an order in which no certificate is without its links.

    The number of a link shifts when a CA of the same name comes or goes. The link that leads to a certificate under its
    new number is written before the link with its old number leads to another certificate.
    """
    ordered: dict[str, None] = {}
    visited: set[str] = set()

    def add(name: str) -> None:
        if name in visited:
            return
        visited.add(name)
        target = found.get(name, {}).get("target")
        for other in differing if target else []:
            if wanted[other].get("target") == target and other[:-1] == name[:-1]:
                add(other)
        ordered[name] = None

    for name in differing:
        add(name)
    return list(ordered)


def _crls(gone: list[str], wanted: Facts) -> list[str]:
    """Return the names of the CRLs for hashes without any certificate left."""
    hashes = {name[:-2] for name in gone if name[-2:-1] == "."} - {name[:-2] for name in wanted if name[-2:-1] == "."}
    return [f"{digest}.r{number}" for digest in sorted(hashes) for number in range(10)]
