# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the files of CAs and the CRLs in a source of trust anchors by their names, without reading them."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Collection, Iterable, Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["COMPANIONS", "LARGEST", "MOST_FILES", "below", "is_certificate", "is_crl", "is_numbered", "of_interest"]

COMPANIONS = ("signing_policy", "namespaces", "info", "crl_url")  # endings of the files beside a certificate
LARGEST = 1 << 20  # bytes of a file; the largest of IGTF's is 20 kB
MOST_FILES = 20_000  # in one source
_CERTIFICATES = (".pem", ".crt", ".cer", ".der", ".p7b", ".p7c")
_COMPANIONS = tuple(f".{ending}" for ending in COMPANIONS)
_NUMBERED = re.compile(r"(.+)\.[0-9]+", re.DOTALL)
_HASH = re.compile(r"[0-9A-Fa-f]{8}")
_CRL = re.compile(r".*\.(r[0-9]|crl)", re.DOTALL)
_MOST_DEPTH = 32  # directories in one another


# --- names ------------------------------------------------------------------------------------------------------------


def of_interest(names: Iterable[str]) -> list[str]:
    """Return the names of the files of CAs and of the CRLs, sorted.

    :param names: of everything in one directory. Names that begin with a dot are left out: ``.git``, ``._ca.pem``.
    """
    present = set(names)
    return sorted(name for name in present if not name.startswith(".") and _is_of_interest(name, present))


def _is_of_interest(name: str, present: Collection[str]) -> bool:
    return name.endswith(_COMPANIONS) or is_certificate(name) or is_crl(name) or is_numbered(name, present)


def is_certificate(name: str) -> bool:
    """Return whether a file has an ending of certificates. Windows writes endings in capital letters."""
    return name.lower().endswith(_CERTIFICATES)


def is_numbered(name: str, present: Collection[str]) -> bool:
    """Return whether this is ``HASH.0``, or ``ALIAS.0`` with an ``.info`` or ``.signing_policy`` beside it.

    :param present: the names of all files in the same directory.
    """
    match = _NUMBERED.fullmatch(name)
    if match is None:
        return False
    stem = match.group(1)
    return bool(_HASH.fullmatch(stem)) or f"{stem}.info" in present or f"{stem}.signing_policy" in present


def is_crl(name: str) -> bool:
    """Return whether this is ``HASH.r0``, the name that clients look for, or ``ALIAS.crl``."""
    return _CRL.fullmatch(name) is not None


# --- directories ------------------------------------------------------------------------------------------------------


def below(root: str) -> Iterator[str]:
    """Yield the paths that are named like files of CAs or CRLs, in a directory and in all directories below it.

    Links to directories are followed after the real directories. Each directory is read once, so no link makes a loop.

    :raises GridSecurityError: ``too_large``: there are more files or deeper directories than any release of IGTF has.
    """
    yield from _Walk(root).files()


class _Walk:
    """A walk through a directory and the directories below it. :param root: the path of the directory."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._read: set[tuple[int, int]] = set()
        self._count = 0
        self._links = [(root, 0)]

    def files(self) -> Iterator[str]:
        for path, depth in self._links:  # the list grows during the loop
            yield from self._tree(path, depth)

    def _tree(self, path: str, depth: int) -> Iterator[str]:
        status = os.stat(path)
        identity = (status.st_dev, status.st_ino)
        if identity in self._read:
            return
        self._read.add(identity)
        if depth > _MOST_DEPTH:
            raise self._too_large(f"directories in more than {_MOST_DEPTH} levels")
        names, directories = self._entries(path, depth)
        for name in of_interest(names):
            yield os.path.join(path, name)
        for directory in directories:
            yield from self._tree(directory, depth + 1)

    def _entries(self, path: str, depth: int) -> tuple[list[str], list[str]]:
        """Return the names of files and links, and the paths of real directories. Links to directories are noted."""
        names, directories, links = [], [], []
        with os.scandir(path) as entries:
            for entry in entries:
                self._count += 1
                if self._count > MOST_FILES:
                    raise self._too_large(f"more than {MOST_FILES} files")
                if entry.is_dir(follow_symlinks=False):
                    directories.append(entry)
                else:
                    names.append(entry.name)
                    if _is_link_to_directory(entry):
                        links.append(entry)
        self._links += [(path, depth + 1) for path in _visible(links)]
        return names, _visible(directories)

    def _too_large(self, cause: str) -> GridSecurityError:
        return GridSecurityError(
            "too_large", f"{self._root} has {cause}, more than any release of IGTF. Name the directory with the CAs."
        )


def _is_link_to_directory(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a link to a directory.

    A link with the name of a CA file counts as a file, because a call of stat for each of hundreds of links is slow.
    """
    if not entry.is_symlink() or _is_of_interest(entry.name, ()):
        return False
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself
            return False
        raise


def _visible(entries: list[os.DirEntry[str]]) -> list[str]:
    return sorted(entry.path for entry in entries if not entry.name.startswith("."))
