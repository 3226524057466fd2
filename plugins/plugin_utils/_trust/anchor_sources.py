# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the files of sources: directories, IGTF tarballs, files, URLs and inline PEM.

Nothing is unpacked to disk. :mod:`anchor_reading` reads CAs from these files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import crl
from ansible_collections.grid.security.plugins.plugin_utils._trust import file_formats, source_files, tarballs, verified

__all__ = ["Group", "read"]

_TARBALLS = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar")
_LARGEST_SOURCE = tarballs.LARGEST  # bytes of a directory without its CRLs
_MOST_CRLS = 128 << 20  # bytes in one directory; those of IGTF have about 20 MiB


@dataclass
class Group:
    """Files that lie in one directory of a source.

    :param where: the directory in messages. :param directory: its name without the path. In IGTF's releases it may be a
        profile.
    :param files: content by name. Larger files are cut off after :data:`source_files.LARGEST` + 1 bytes.
    :param crls: CRLs that lie there.
    :param subjects: patterns for the signing policy of CAs without one. :param crl_urls: for CAs without CRL URLs.
    :param prefer: whether files beside CAs count if another source has other versions of them.
    :param is_directory: False if the source is a single file, a URL or inline PEM.
    """

    where: str
    directory: str
    files: dict[str, bytes]
    subjects: list[str] = field(default_factory=list)
    crl_urls: list[str] = field(default_factory=list)
    alias: str | None = None
    crls: dict[str, bytes] = field(default_factory=dict)
    prefer: bool = False
    is_directory: bool = True

    def path(self, name: str) -> str:
        """Return the path of a file in messages."""
        if not self.is_directory:
            return self.where
        return self.where + name if self.where.endswith(":") else os.path.join(self.where, name)


def read(
    source: dict[str, Any], find: Callable[[str], str], fetch: Callable[[str], bytes], crls: bool = False
) -> list[Group]:
    """Return the groups of one source.

    :param source: an item of the option ``sources``. :param find: returns the path of a ``src`` on the controller.
    :param fetch: returns the answer of a ``url``. :param crls: whether to read CRLs, too.
    :raises GridSecurityError: ``no_source``, ``directory``, ``too_large``, ``not_pem`` and the error codes of
        :func:`tarballs.files` and :mod:`verified`.
    """
    where = source["url"] or (find(source["src"]) if source["src"] else "inline PEM")
    try:
        if source["src"] and os.path.isdir(where):
            _refuse_checks_of_directory(where, source)
            groups = _read_directory(where, crls)
        else:
            groups = _read_data(where, _verified(where, source, find, fetch), crls)
    except OSError as error:
        raise GridSecurityError("no_source", f"{where} cannot be read: {error}. Check the source.") from error
    for group in groups:
        group.subjects, group.crl_urls, group.alias = source["subjects"], source["crl_urls"], source["name"]
        group.prefer = source["prefer"]
    return groups


def _refuse_checks_of_directory(where: str, source: dict[str, Any]) -> None:
    """Refuse a checksum or signature for a directory, because it cannot be checked."""
    if source["checksum"] or source["signature"]:
        raise GridSecurityError(
            "directory",
            f"{where} is a directory, which has no checksum or signature. Name the file that was published, or leave"
            " them out.",
        )


def _verified(where: str, source: dict[str, Any], find: Callable[[str], str], fetch: Callable[[str], bytes]) -> bytes:
    """Return the content of one file, after its checksum and signature were checked."""
    if source["content"]:
        data = source["content"].encode(errors="replace")
    else:
        data = fetch(where) if source["url"] else _read_source(where)
    if source["checksum"]:
        verified.check_checksum(data, source["checksum"], where)
    if source["signature"]:
        verified.check_signature(data, find(source["signature"]), find(source["keyring"]), where)
    return data


def _read_data(where: str, data: bytes, crls: bool) -> list[Group]:
    name = "inline.pem" if where == "inline PEM" else os.path.basename(where)
    if name.endswith(_TARBALLS):
        return _read_tarball(where, data, crls)
    problem = file_formats.recognize(data)
    if problem:  # checked before the size, because the remedy for a package is to unpack it
        raise GridSecurityError("not_pem", f"{where} {problem}")
    name = name if source_files.is_certificate(name) else f"{name}.pem"
    return [Group(where, "", {name: data[: source_files.LARGEST + 1]}, is_directory=False)]


def _read_source(path: str) -> bytes:
    data = _read_file(path, tarballs.LARGEST + 1)
    if len(data) > tarballs.LARGEST:
        raise GridSecurityError(
            "too_large", f"{path} is larger than {tarballs.LARGEST >> 20} MiB, more than any release. Check the source."
        )
    return data


def _read_file(path: str, most: int) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(most)


def _read_directory(path: str, crls: bool) -> list[Group]:
    groups: dict[str, Group] = {}
    sizes = {"files": 0, "crls": 0}
    for file in filter(os.path.isfile, source_files.below(path)):  # no FIFO
        directory, name = os.path.split(file)
        group = groups.setdefault(directory, Group(directory, os.path.basename(directory), {}))
        if not source_files.is_crl(name):
            group.files[name] = _read_file(file, source_files.LARGEST + 1)
            sizes["files"] += len(group.files[name])
        elif crls:
            group.crls[name] = _read_file(file, crl.LARGEST)  # larger CRLs are then found truncated
            sizes["crls"] += len(group.crls[name])
        _check_sizes(path, sizes)
    return list(groups.values())


def _check_sizes(path: str, sizes: dict[str, int]) -> None:
    for kind, most in (("files", _LARGEST_SOURCE), ("crls", _MOST_CRLS)):
        if sizes[kind] > most:
            raise GridSecurityError(
                "too_large",
                f"{path}: its {'CRLs' if kind == 'crls' else kind} have more than {most >> 20} MiB. Check the source.",
            )


def _read_tarball(path: str, data: bytes, crls: bool) -> list[Group]:
    groups: dict[str, Group] = {}
    wanted = source_files.of_interest if crls else _without_crls
    for member, content in tarballs.files(data, path, wanted, crl.LARGEST if crls else source_files.LARGEST):
        directory, name = os.path.split(member)
        where = f"{os.path.basename(path)}:{directory}"
        group = groups.setdefault(directory, Group(where, os.path.basename(directory), {}))
        (group.crls if source_files.is_crl(name) else group.files)[name] = content
    return list(groups.values())


def _without_crls(names: Iterable[str]) -> list[str]:
    return [name for name in source_files.of_interest(names) if not source_files.is_crl(name)]
