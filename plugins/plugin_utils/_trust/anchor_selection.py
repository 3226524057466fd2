# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choose CAs by the options, and check that their chains are complete."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import listing, times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_merging
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor, Found, Unusable

__all__ = ["check", "choose", "is_wanted", "refuse", "select"]


def choose(found: Found, options: dict[str, Any]) -> tuple[list[Anchor], list[str]]:
    """Return the CAs that the options leave, and warnings about files that ``on_unreadable: skip`` leaves out.

    :raises GridSecurityError: as :func:`refuse` and :func:`select`.
    """
    warnings = refuse(found.unusable, options)
    chosen = select(found.anchors, options, found.unusable)
    if options["on_unreadable"] == "skip":
        chosen, left_out = _keep_complete(chosen, found.unusable)
        warnings += left_out
    return chosen, warnings


def refuse(unusable: list[Unusable], options: dict[str, Any]) -> list[str]:
    """Return a warning about the files that cannot be used, if the option ``on_unreadable`` is ``skip``.

    There is no message about files that the options ``profiles``, ``include`` and ``exclude`` leave out.

    :raises GridSecurityError: ``unusable_anchors``; or, if all have the same cause, ``private_key``, ``not_pem``,
        ``too_large``, ``bad_certificate``, ``not_a_ca`` or ``bad_signing_policy``; or ``bad_filter``.
    """
    wanted = {file.error.message: file for file in unusable if is_wanted(file, options)}
    if not wanted:
        return []
    if options["on_unreadable"] == "skip":
        return [
            listing.lines("trust anchors, left out because they cannot be used (on_unreadable: skip)", list(wanted))
        ]
    kinds = {file.error.error_code for file in wanted.values()}
    aliases = listing.listed(sorted({min(file.names) for file in wanted.values()}))
    message = next(iter(wanted))
    if len(wanted) > 1:
        message = listing.lines("the sources have files that cannot be used", list(wanted))
    raise GridSecurityError(
        kinds.pop() if len(kinds) == 1 else "unusable_anchors",
        f"{message}\nTo place the other CAs, name {aliases} in exclude, or set on_unreadable: skip.",
    )


def select(anchors: list[Anchor], options: dict[str, Any], unusable: Iterable[Unusable] = ()) -> list[Anchor]:
    """Return the anchors that the options ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` leave.

    Issuers of these anchors stay in any profile, unless they are excluded.

    :param unusable: files that ``include`` may name, too. :func:`refuse` reports them.
    :raises GridSecurityError: ``no_such_anchor``: an item of ``include`` is not in the sources; or ``bad_filter``.
    """
    known: list[Anchor | Unusable] = [*anchors, *unusable]
    for pattern in options["include"]:
        if not any(ca.matches(pattern) for ca in known):
            raise GridSecurityError(
                "no_such_anchor", f"include: no source has {pattern}. Give an alias, a DN or a fingerprint."
            )
    allowed = [anchor for anchor in anchors if not _is_excluded(anchor, options)]
    chosen = [anchor for anchor in allowed if is_wanted(anchor, options)]
    return sorted(_with_issuers(chosen, allowed), key=lambda anchor: anchor.alias)


def _is_excluded(ca: Anchor | Unusable, options: dict[str, Any]) -> bool:
    if options["exclude_expired"] and ca.certificate and times.days_until(ca.certificate.not_after) < 0:
        return True
    return any(ca.matches(pattern) for pattern in options["exclude"])


def is_wanted(ca: Anchor | Unusable, options: dict[str, Any]) -> bool:
    """Return whether the options ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` leave this CA.

    :raises GridSecurityError: ``bad_filter``: a DN in ``include`` or ``exclude`` has no or two meanings.
    """
    if options["profiles"] and not ca.profiles & set(options["profiles"]):
        return False
    if options["include"] and not any(ca.matches(pattern) for pattern in options["include"]):
        return False
    return not _is_excluded(ca, options)


def _with_issuers(chosen: list[Anchor], allowed: list[Anchor]) -> Iterable[Anchor]:
    """Return the chosen CAs with their issuers, up to the roots. Each name is searched once."""
    by_subject: dict[bytes, list[Anchor]] = {}
    for anchor in allowed:
        by_subject.setdefault(anchor.certificate.canonical_subject, []).append(anchor)
    found = {anchor.fingerprint: anchor for anchor in chosen}
    todo = list(chosen)
    while todo:
        anchor = todo.pop()
        for issuer in [] if anchor.is_root else by_subject.pop(anchor.certificate.canonical_issuer, []):
            if issuer.fingerprint not in found:
                found[issuer.fingerprint] = issuer
                todo.append(issuer)
    return found.values()


def check(anchors: list[Anchor], unusable: Iterable[Unusable] = ()) -> None:
    """Check that the sources agree about each CA, and that each chain has its root.

    :param unusable: files that may be the missing issuers.
    :raises GridSecurityError: ``two_policies`` or ``missing_issuer``.
    """
    conflicts = _conflicts(anchors)
    if conflicts:
        raise GridSecurityError("two_policies", conflicts)
    missing = _incomplete(anchors)
    if missing:
        message = _chains("incomplete chains", missing, unusable)
        end = "\n" if len(missing) > 1 else ". "
        raise GridSecurityError(
            "missing_issuer", f"{message}{end}Add the issuer to the sources, or exclude the CA that needs it."
        )


def _keep_complete(anchors: list[Anchor], unusable: Iterable[Unusable]) -> tuple[list[Anchor], list[str]]:
    """Return the CAs without conflicts and with a complete chain, and warnings about the others.

    :param unusable: files that may be the missing issuers.
    """
    conflicts = _conflicts(anchors)
    warnings = [f"trust anchors, left out (on_unreadable: skip): {conflicts}"] if conflicts else []
    anchors = [anchor for anchor in anchors if not anchor.conflicts]
    left_out: list[Anchor] = []
    while missing := _incomplete(anchors):
        left_out += missing
        gone = {anchor.fingerprint for anchor in missing}
        anchors = [anchor for anchor in anchors if anchor.fingerprint not in gone]
    if left_out:
        title = "trust anchors, left out because of incomplete chains"
        warnings.append(_chains(title, left_out, unusable))
    return anchors, warnings


def _conflicts(anchors: list[Anchor]) -> str:
    """Return the message about the conflicts between sources, or an empty string."""
    return anchor_merging.explained([text for anchor in anchors for text in anchor.conflicts])


def _incomplete(anchors: list[Anchor]) -> list[Anchor]:
    subjects = {anchor.certificate.canonical_subject for anchor in anchors}
    return [anchor for anchor in anchors if not anchor.is_root and anchor.certificate.canonical_issuer not in subjects]


def _chains(title: str, missing: list[Anchor], unusable: Iterable[Unusable]) -> str:
    """Return the missing issuer of each CA below a title. A single CA is in the line of the title."""
    causes = {file.subject_dn: file.error.message for file in unusable}
    needs = [_need(anchor, causes.get(anchor.certificate.issuer_dn)) for anchor in missing]
    return f"{title}: {needs[0]}" if len(needs) == 1 else listing.lines(title, needs)


def _need(anchor: Anchor, cause: str | None) -> str:
    return f"{anchor.alias} needs {anchor.certificate.issuer_dn}" + (f" ({cause.rstrip('.')})" if cause else "")
