# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a directory of the node for a manifest: the files of interest, and what they hold."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import itertools
import os
import re
import stat
from dataclasses import dataclass
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import directories, locks, observed
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import explained

__all__ = ["missing", "scan"]

_LARGEST = 16 << 20  # bytes of a file that is read, such as the largest CRLs; a larger file has no digest
_MOST_OBSERVED = 1 << 20  # bytes of a file whose content is reported
_MOST_TOLD = 8 << 20  # bytes of all contents that are reported
_MOST = 20000  # files in one directory; the IGTF's set has a thousand
_MOST_READ = 1 << 30  # bytes of all files together: any number of hard links may lead to one large file
_LARGEST_BUNDLE = 16 << 20  # bytes; the bundle of a distribution has 0.3 MB
_WRONG_DIRECTORY = "Look whether it is the right directory."


def scan(
    path: str, patterns: list[str], inspectors: Inspectors | None = None, observe: bool = False
) -> dict[str, dict[str, Any]]:
    """Return facts about files in the directory ``path`` by name.

    The names match one of ``patterns`` (as of fnmatch), or are the names of files that killed runs leave. Unprintable
    names are left out: no run writes files with such names.

    :param inspectors: add facts from the contents of files. A comparison by digest does not need these facts.
    :param observe: add the ``content`` of files up to 1 MiB, in Base64. Only files that everybody may read and that
        hold no private key have ``content``, because a directory that is given by mistake may hold keys.
    """
    try:
        with directories.open_directory(path) as directory, explained(path, "looked at"):
            names = _names(directory, path, patterns)
            found = _Scan(path, directory, inspectors, observe).facts_of(names)
    except GridSecurityError as error:
        if error.error_code != "no_directory":
            raise
        return {}
    return {name: facts for name, facts in found.items() if facts["kind"] != "absent"}


def _names(directory: int, path: str, patterns: list[str]) -> list[str]:
    """Return the names of interest. :raises GridSecurityError: there are too many."""
    wanted = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))

    def is_wanted(name: str) -> bool:
        return name.isprintable() and (bool(wanted.match(name)) or locks.is_own_leftover(directory, name))

    names = list(itertools.islice(directories.names(directory, is_wanted), _MOST + 1))
    if len(names) > _MOST:
        raise GridSecurityError("too_many_files", f"{path} has more than {_MOST} files of interest. {_WRONG_DIRECTORY}")
    return names


@dataclass
class _Scan:
    """Read the files one after the other, so that only one file is in memory."""

    path: str
    directory: int
    inspectors: Inspectors | None
    observe: bool
    read_left: int = _MOST_READ
    told_left: int = _MOST_TOLD

    def facts_of(self, names: list[str]) -> dict[str, dict[str, Any]]:
        return {name: self._facts(name, self._look(name)) for name in names}

    def _look(self, name: str) -> observed.Observed:
        seen = observed.observe(self.directory, name, _LARGEST)
        self.read_left -= len(seen.content or b"")
        if self.read_left < 0:
            limit = f"more than {_MOST_READ >> 20} MiB"
            raise GridSecurityError("too_large", f"{self.path} has files of {limit}. {_WRONG_DIRECTORY}")
        return seen

    def _facts(self, name: str, seen: observed.Observed) -> dict[str, Any]:
        facts: dict[str, Any] = {"kind": seen.kind, "mode": seen.mode, "own": seen.uid == os.geteuid()}
        facts.update({"target": seen.target} if seen.kind == "link" else {"sha256": seen.sha256})
        if self.inspectors is None:
            return facts
        if seen.kind == "link":
            return {**facts, **self._describe_target(name, seen, self.inspectors)}
        described = self.inspectors.describe_file(seen.content or b"")
        return {**facts, **self._content(seen, self.inspectors), **described}

    def _describe_target(self, name: str, seen: observed.Observed, inspectors: Inspectors) -> dict[str, Any]:
        """Return facts about the file that a link leads to.

        Links to other directories are followed only if they are our own. Distribution packages make such links.
        """
        target = seen.target or "/"
        if "/" in target:
            return self._describe_elsewhere(name, inspectors) if seen.uid == os.geteuid() else {}
        if not name.endswith(".pem"):
            return {}
        try:
            found = self._look(target)
        except OSError:  # the target may be no name that a file can have
            return {}
        return {"dangling": True} if found.kind == "absent" else inspectors.describe_linked(found.content or b"")

    def _describe_elsewhere(self, name: str, inspectors: Inspectors) -> dict[str, Any]:
        content = observed.read_through(self.directory, name, min(_MOST_OBSERVED, self.read_left))
        if content is None:
            return {}
        self.read_left -= len(content)
        fingerprint = next(iter(inspectors.fingerprints(content)), None)
        return {"leads_to": hashlib.sha256(content).hexdigest(), "certificate": fingerprint}

    def _content(self, seen: observed.Observed, inspectors: Inspectors) -> dict[str, Any]:
        content = seen.content
        if not self.observe or content is None or len(content) > _MOST_OBSERVED or not seen.mode & stat.S_IROTH:
            return {}
        if len(content) > self.told_left or inspectors.holds_private_key(content):
            return {}
        self.told_left -= len(content)
        return {"content": base64.b64encode(content).decode()}


def missing(found: dict[str, dict[str, Any]], bundle: str, inspectors: Inspectors) -> list[str]:
    """Return the names of files whose certificate is not in the file ``bundle``; all names if there is no such file."""
    present = set(inspectors.fingerprints(_read(bundle)))
    return sorted(name for name, facts in found.items() if facts.get("certificate") not in present)


def _read(path: str) -> bytes:
    try:
        with directories.parent_directory(path) as (directory, name), explained(path, "looked at"):
            return observed.observe(directory, name, _LARGEST_BUNDLE).content or b""
    except GridSecurityError as error:
        if error.error_code != "no_directory":
            raise
        return b""
