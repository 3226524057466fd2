# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sources of trust anchors hold, in the form in which :mod:`chain` checks credentials by it.

A CA that cannot be read is left out. Messages about certificates in the name of this CA tell why.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import crl, der, names, pem, signing_policy
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import anchor_merging, anchors, trust_anchors
from ansible_collections.grid.security.plugins.plugin_utils.anchor_sources import Group
from ansible_collections.grid.security.plugins.plugin_utils.anchors import Anchor

try:
    from cryptography.hazmat.primitives.serialization import Encoding
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    pass

__all__ = ["collect", "from_groups"]

_ENDINGS = ("pem", "crt")
_BESIDE = ("signing_policy", "info")  # endings of the files beside a certificate that are needed here
_SUBJECT = 4  # index of the subject among the fields of a certificate, without the version
_CRL_MARK = b"-----BEGIN X509 CRL-----"


def collect(action: Any, sources: list[dict[str, Any]], filters: dict[str, Any]) -> dict[str, Any]:
    """Read the sources, and return ``cas`` and ``crls`` as :func:`chain.judge` takes them.

    :param filters: ``profiles``, ``include``, ``exclude`` and ``exclude_expired`` of trust_anchors.
    :raises GridSecurityError: whatever is wrong with reading the sources.
    """
    return from_groups(trust_anchors.read_groups(action, sources, crls=True), filters)


def from_groups(groups: list[Group], filters: dict[str, Any]) -> dict[str, Any]:
    """Return ``cas`` and ``crls`` of sources that were read before.

    :raises GridSecurityError: whatever :func:`anchors.select` raises.
    """
    copies: dict[str, list[Anchor]] = {}
    unreadable = []
    for one in (one for group in groups for one in _read(group)):
        if isinstance(one, Anchor):
            copies.setdefault(one.fingerprint, []).append(one)
        else:
            unreadable.append(one)
    found = sorted(map(anchor_merging.merge, copies.values()), key=lambda anchor: anchor.alias)
    chosen = anchors.select(found, filters)
    return {"cas": [*map(_ca, chosen), *unreadable], "crls": list(_crls(groups, found))}


# --- CAs --------------------------------------------------------------------------------------------------------------


def _read(group: Group) -> Iterator[Anchor | dict[str, Any]]:
    """Yield each CA of a group. A CA that cannot be read is a dictionary with the parts that a message needs."""
    named = {data for name, data in group.files.items() if name.endswith((".pem", ".crt"))}
    for name, data in group.files.items():
        stem, _dot, ending = name.rpartition(".")
        if ending not in _ENDINGS and not (ending.isdigit() and data not in named):  # HASH.0 is most often a link
            continue
        beside = {f"{stem}.{end}": group.files[f"{stem}.{end}"] for end in _BESIDE if f"{stem}.{end}" in group.files}
        blocks = [block for block in pem.blocks(data) if block.label == "CERTIFICATE"]
        piece = dataclasses.replace(group, files={name: data, **beside}, crls={})
        try:
            yield from anchors.collect([piece])
        except GridSecurityError as error:
            if len(blocks) > 1:
                yield from _read_bundle(group, blocks)
            else:
                yield from _unreadable(stem, blocks, error)


def _read_bundle(group: Group, blocks: list[pem.Block]) -> Iterator[Anchor | dict[str, Any]]:
    """Read the certificates of a bundle one by one, because not all of them can be read."""
    for block in blocks:
        piece = dataclasses.replace(group, files={"inline.pem": block.text}, alias=None, crls={})
        try:
            yield from anchors.collect([piece])
        except GridSecurityError as error:
            yield from _unreadable("", [block], error)


def _unreadable(alias: str, blocks: list[pem.Block], error: GridSecurityError) -> Iterator[dict[str, Any]]:
    """Yield a CA that cannot be used, by its name; nothing if the name cannot be read either."""
    try:
        (block,) = blocks
        fields = [one for one in der.read(block.data).child(0).children if one.tag != der.CONTEXT_0]
        subject = der.encode(fields[_SUBJECT].tag, _content(fields[_SUBJECT]))
        canonical, dn = names.canonical(subject).hex(), names.der_slash_form(subject)
    except (ValueError, IndexError):
        return
    yield {"alias": alias, "dn": dn, "subject": canonical, "pem": "", "patterns": None, "problem": error.message}


def _content(element: der.Element) -> bytes:
    """Return the contents octets in DER. The element may have been read from BER."""
    return b"".join(der.encode(one.tag, _content(one)) for one in element.children) or element.content


def _ca(anchor: Anchor) -> dict[str, Any]:
    patterns = None
    if "signing_policy" in anchor.files:
        policies = signing_policy.parse(anchor.files["signing_policy"].decode(errors="replace"))
        patterns = signing_policy.patterns_of(policies, anchor.subject_dn)
    return {
        "alias": anchor.alias,
        "dn": anchor.subject_dn,
        "subject": names.canonical(anchor.certificate.subject.public_bytes()).hex(),
        "pem": anchor.certificate.public_bytes(Encoding.PEM).decode(),
        "patterns": patterns,
        "problem": anchor_merging.explained(anchor.conflicts),
    }


# --- CRLs -------------------------------------------------------------------------------------------------------------


def _crls(groups: list[Group], found: list[Anchor]) -> Iterator[dict[str, Any]]:
    """Yield each CRL once. The same CRL often has two file names, one for each kind of hash."""
    seen = set()
    for name, data in (pair for group in groups for pair in _crl_files(group)):
        digest = hashlib.sha256(data).digest()
        if digest in seen:
            continue
        try:
            one = crl.read(data)
        except crl.CrlError as error:
            for issuer in _named(name, found):
                yield {"name": name, "issuer": issuer, "der": "", "problem": str(error)}
        else:  # only here: several CAs may have the same damaged file, for example an empty one
            seen.add(digest)
            issuer = names.canonical(one.issuer).hex()
            yield {"name": name, "issuer": issuer, "der": base64.b64encode(one.der).decode(), "problem": ""}


def _crl_files(group: Group) -> Iterator[tuple[str, bytes]]:
    yield from group.crls.items()
    for name, data in group.files.items():
        if _CRL_MARK in data:
            yield from ((name, block.text) for block in pem.blocks(data) if block.label == crl.PEM_LABEL)


def _named(name: str, found: list[Anchor]) -> set[str]:
    """Return the subjects of the CAs whose CRL has this file name: alias or hash, and an ending."""
    stem = name.rpartition(".")[0]
    return {
        names.canonical(anchor.certificate.subject.public_bytes()).hex()
        for anchor in found
        if stem in (anchor.alias, *names.hashes(anchor.certificate.subject))
    }
