# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read CAs and CRLs from sources, in the form that :mod:`chain` takes.

A CA that cannot be read issues no trusted certificates. Messages about certificates of this CA give the reason.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import crl, distinguished_name, pem, signing_policy
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_merging,
    anchor_reading,
    anchor_selection,
    source_files,
    source_groups,
)
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchors import Anchor, Unusable

__all__ = ["collect", "from_groups"]

_CRL_MARK = b"-----BEGIN X509 CRL-----"


def collect(action: Any, sources: list[dict[str, Any]], filters: dict[str, Any]) -> dict[str, Any]:
    """Read the sources, and return ``cas`` and ``crls`` as :func:`chain.judge` takes them.

    :param filters: ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` of trust_anchors.
    :raises GridSecurityError: as :func:`source_groups.read` and :func:`from_groups`.
    """
    return from_groups(source_groups.read(action, sources, crls=True), filters)


def from_groups(groups: list[Group], filters: dict[str, Any]) -> dict[str, Any]:
    """Return ``cas`` and ``crls`` of groups of files.

    :raises GridSecurityError: ``too_large``, and as :func:`anchor_reading.collect` and :func:`anchor_selection.select`.
    """
    found = anchor_reading.collect(groups)
    chosen = anchor_selection.select(found.anchors, filters, found.unusable)
    unusable = (
        _unusable(file) for file in found.unusable if anchor_selection.is_wanted(file, filters) and file.subject
    )
    return {"cas": [*map(_ca, chosen), *unusable], "crls": list(_crls(groups, found.anchors))}


# --- CAs --------------------------------------------------------------------------------------------------------------


def _unusable(file: Unusable) -> dict[str, Any]:
    """Return the name of a CA that cannot be used, and the reason."""
    canonical = distinguished_name.canonical(file.subject or b"").hex()
    about = {"alias": min(file.names), "dn": file.subject_dn, "subject": canonical, "problem": file.error.message}
    return {**about, "pem": "", "patterns": None}


def _ca(anchor: Anchor) -> dict[str, Any]:
    patterns = None
    if "signing_policy" in anchor.files:
        policies = signing_policy.parse(anchor.files["signing_policy"].decode(errors="replace"))
        patterns = signing_policy.patterns_of(policies, anchor.subject_dn)
    return {
        "alias": anchor.alias,
        "dn": anchor.subject_dn,
        "subject": anchor.certificate.canonical_subject.hex(),
        "pem": "" if anchor.problem else anchor.certificate.pem.decode(),
        "patterns": patterns,
        "problem": _problem(anchor),
    }


def _problem(anchor: Anchor) -> str:
    if anchor.problem:
        return f"{anchor.where} cannot be read by the library cryptography ({anchor.problem})"
    return anchor_merging.explained(anchor.conflicts)


# --- CRLs -------------------------------------------------------------------------------------------------------------


def _crls(groups: list[Group], found: list[Anchor]) -> Iterator[dict[str, Any]]:
    """Yield each CRL once. The same CRL often has two file names, one for each kind of hash."""
    seen = set()
    for name, data in (pair for group in groups for pair in _crl_files(group)):
        digest = hashlib.sha256(data).digest()
        if digest in seen:
            continue
        try:
            found_crl = crl.read(data)
        except crl.CrlError as error:
            for issuer in _named(name, found):
                yield {"name": name, "issuer": issuer, "der": "", "problem": str(error)}
        else:  # several CAs may have the same damaged file, for example an empty file
            seen.add(digest)
            issuer = distinguished_name.canonical(found_crl.issuer).hex()
            yield {"name": name, "issuer": issuer, "der": base64.b64encode(found_crl.der).decode(), "problem": ""}


def _crl_files(group: Group) -> Iterator[tuple[str, bytes]]:
    yield from group.crls.items()
    for name, data in group.files.items():
        if _CRL_MARK in data:
            if len(data) > source_files.LARGEST:  # a CRL that is cut off must not be ignored
                raise GridSecurityError(
                    "too_large",
                    f"{group.path(name)} holds CRLs and is larger than {source_files.LARGEST >> 20} MiB. Split it, or"
                    " remove the CRLs.",
                )
            yield from ((name, block.text) for block in pem.blocks(data) if block.label == crl.PEM_LABEL)


def _named(name: str, found: list[Anchor]) -> set[str]:
    """Return the subjects of the CAs whose CRL has this file name: alias or hash, and an ending."""
    stem = name.rpartition(".")[0]
    return {
        anchor.certificate.canonical_subject.hex()
        for anchor in found
        if stem in (anchor.alias, anchor.name, *anchor.certificate.hashes)
    }
