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
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import secure_fs
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, crl, pem

__all__ = ["missing", "scan"]

_LARGEST = crl.LARGEST  # bytes; of a larger file only the presence is told
_MOST_OBSERVED = 1 << 20  # bytes of a file whose content is told
_MOST_TOLD = 8 << 20  # bytes of all contents that are told
_MOST = 20000  # files in one directory; the IGTF's set has a thousand
_MOST_READ = 1 << 30  # bytes of all files together: any number of hard links may lead to one large file
_LARGEST_BUNDLE = 16 << 20  # bytes; that of a distribution is 0.3 MB
_WRONG_DIRECTORY = "Look whether it is the right directory."


def scan(path: str, patterns: list[str], observe: bool = False, told: bool = True) -> dict[str, dict[str, Any]]:
    """What is in the directory ``path`` under names that match one of ``patterns`` (as of fnmatch), and what killed
    runs left there. Unprintable names are left out: no run writes files with such names.

    :param observe: whether to add the ``content`` of files up to 1 MiB, in Base64; only of those that everybody may
        read and that hold no private key, because a directory that is given by mistake may hold keys.
    :param told: whether to add facts from the contents of files; a comparison by digest does not need them.
    """
    wanted = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))
    try:
        with secure_fs.open_directory(path) as directory, secure_fs.explained(path, "looked at"):
            names = secure_fs.names(
                directory,
                lambda name: (
                    name.isprintable() and (bool(wanted.match(name)) or secure_fs.is_left_by_us(directory, name))
                ),
            )
            chosen = list(itertools.islice(names, _MOST + 1))
            _refuse_many(path, chosen)
            found = _Scan(path, directory, observe, told).of(chosen)
    except GridSecurityError as error:
        if error.error_code != "no_directory":
            raise
        return {}
    return {name: facts for name, facts in found.items() if facts["kind"] != "absent"}


@dataclass
class _Scan:
    """Read the files one by one, so that only one of them is in memory."""

    path: str
    directory: int
    observe: bool
    told: bool
    read_left: int = _MOST_READ
    told_left: int = _MOST_TOLD

    def of(self, names: list[str]) -> dict[str, dict[str, Any]]:
        return {name: self._facts(name, self._look(name)) for name in names}

    def _look(self, name: str) -> secure_fs.Observed:
        seen = secure_fs.observe(self.directory, name, _LARGEST)
        self.read_left -= len(seen.content or b"")
        if self.read_left < 0:
            limit = f"more than {_MOST_READ >> 20} MiB"
            raise GridSecurityError("too_large", f"{self.path} has files of {limit}. {_WRONG_DIRECTORY}")
        return seen

    def _facts(self, name: str, seen: secure_fs.Observed) -> dict[str, Any]:
        facts: dict[str, Any] = {"kind": seen.kind, "mode": seen.mode, "own": seen.uid == os.geteuid()}
        if seen.kind == "link":
            return {**facts, "target": seen.target, **(self._led_to(name, seen) if self.told else {})}
        facts["sha256"] = seen.sha256
        if not self.told:
            return facts
        content = seen.content or b""
        return {**facts, **self._content(seen), "certificate": _fingerprint(content), **_kind(content), **_crl(content)}

    def _led_to(self, name: str, seen: secure_fs.Observed) -> dict[str, Any]:
        """Return facts about the file that a link leads to.

        Links to other directories are followed only if they are our own. Distribution packages make such links.
        """
        target = seen.target or "/"
        if "/" in target:
            return self._elsewhere(name) if seen.uid == os.geteuid() else {}
        if not name.endswith(".pem"):
            return {}
        try:
            beside = self._look(target)
        except OSError:  # a target may be no name that a file can have
            return {}
        return {"dangling": True} if beside.kind == "absent" else _kind(beside.content or b"")

    def _elsewhere(self, name: str) -> dict[str, Any]:
        content = secure_fs.read_through(self.directory, name, min(_MOST_OBSERVED, self.read_left))
        if content is None:
            return {}
        self.read_left -= len(content)
        return {"leads_to": hashlib.sha256(content).hexdigest(), "certificate": _fingerprint(content)}

    def _content(self, seen: secure_fs.Observed) -> dict[str, Any]:
        content = seen.content
        if not self.observe or content is None or len(content) > _MOST_OBSERVED or not seen.mode & stat.S_IROTH:
            return {}
        if len(content) > self.told_left or pem.holds_private_key(content):
            return {}
        self.told_left -= len(content)
        return {"content": base64.b64encode(content).decode()}


def _refuse_many(path: str, names: list[str]) -> None:
    if len(names) > _MOST:
        raise GridSecurityError("too_many_files", f"{path} has more than {_MOST} files of interest. {_WRONG_DIRECTORY}")


def missing(found: dict[str, dict[str, Any]], bundle: str) -> list[str]:
    """The names of files whose certificate is not among those of the file ``bundle``; all if there is no such file."""
    present = set(_fingerprints(_read(bundle)))
    return sorted(name for name, facts in found.items() if facts.get("certificate") not in present)


def _read(path: str) -> bytes:
    try:
        with secure_fs.parent_directory(path) as (directory, name), secure_fs.explained(path, "looked at"):
            return secure_fs.observe(directory, name, _LARGEST_BUNDLE).content or b""
    except GridSecurityError as error:
        if error.error_code != "no_directory":
            raise
        return b""


def _kind(content: bytes) -> dict[str, Any]:
    """Tell whether a file holds a CA's certificate or a private key. The result has only the facts that are true."""
    certificate = certificate_der.first(content)
    is_ca = bool(certificate and certificate_der.is_ca(certificate))
    facts = {"ca": is_ca, "private_key": pem.holds_private_key(content)}
    return {name: True for name, holds in facts.items() if holds}


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
