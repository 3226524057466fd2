# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory of the node as a manifest has it: what its files of interest are, and what they hold."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import crl, pem, secure_fs
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["missing", "scan"]

_LARGEST = crl.LARGEST  # bytes; of a larger file only the presence is told
_MOST_OBSERVED = 1 << 20  # bytes of a file whose content is told
_MOST = 20000  # files in one directory; the IGTF's set has a thousand
_LARGEST_BUNDLE = 16 << 20  # bytes; that of a distribution is 0.3 MB


def scan(path: str, patterns: list[str], observe: bool = False) -> dict[str, dict[str, Any]]:
    """What is in the directory ``path`` under names that match one of ``patterns`` (as of fnmatch), and what killed
    runs left there.

    :param observe: whether to add the ``content`` of files up to 1 MiB, in Base64; only of those that everybody may
        read, because a directory that is given by mistake may hold keys.
    """
    wanted = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
    try:
        with secure_fs.open_directory(path) as directory, secure_fs.explained(path, "looked at"):
            names = secure_fs.names(
                directory, lambda name: bool(wanted.match(name)) or secure_fs.is_left_by_us(directory, name)
            )
            chosen = list(itertools.islice(names, _MOST + 1))
            _refuse_many(path, chosen)
            found = {name: _facts(secure_fs.observe(directory, name, _LARGEST), observe) for name in chosen}
    except GridSecurityError as error:
        if error.kind != "no_directory":
            raise
        return {}
    return {name: facts for name, facts in found.items() if facts["kind"] != "absent"}


def _refuse_many(path: str, names: list[str]) -> None:
    if len(names) > _MOST:
        raise GridSecurityError(
            "too_many_files", f"{path} has more than {_MOST} files of interest. Look whether it is the right directory."
        )


def missing(found: dict[str, dict[str, Any]], bundle: str) -> list[str]:
    """The names of files whose certificate is not among those of the file ``bundle``; all if there is no such file."""
    present = set(_fingerprints(_read(bundle)))
    return sorted(name for name, facts in found.items() if facts.get("certificate") not in present)


def _read(path: str) -> bytes:
    try:
        with secure_fs.parent_directory(path) as (directory, name), secure_fs.explained(path, "looked at"):
            return secure_fs.observe(directory, name, _LARGEST_BUNDLE).content or b""
    except GridSecurityError as error:
        if error.kind != "no_directory":
            raise
        return b""


def _facts(seen: secure_fs.Observed, observe: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": seen.kind, "mode": seen.mode, "own": seen.uid == os.geteuid()}
    if seen.kind == "link":
        return {**facts, "target": seen.target}
    content = seen.content or b""
    if observe and seen.content is not None and len(content) <= _MOST_OBSERVED and seen.mode & stat.S_IROTH:
        facts["content"] = base64.b64encode(content).decode()
    return {**facts, "sha256": seen.sha256, "certificate": _fingerprint(content), **_crl(content)}


def _fingerprint(content: bytes) -> str | None:
    """The SHA-256 fingerprint of the first certificate in a PEM file."""
    return next(_fingerprints(content), None)


def _fingerprints(content: bytes) -> Iterator[str | None]:
    for block in pem.blocks(content):
        if block.label == "CERTIFICATE":
            yield hashlib.sha256(block.data).digest().hex(":") if block.data else None


def _crl(content: bytes) -> dict[str, Any]:
    """What a CRL in PEM says of itself, under the name ``crl``; nothing if it is none, or damaged."""
    try:
        return {"crl": crl.facts(crl.read(crl.decode(content)))}
    except crl.CrlError:
        return {}
