# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read tarballs in memory, within limits. Nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import file_formats, source_files

__all__ = ["LARGEST", "files"]

LARGEST = 64 << 20  # bytes, unpacked; of IGTF's a tenth
_LARGEST_HEADER = 1 << 16  # bytes of a name or of extended attributes
_MOST_LINKS = 8  # in a chain of links
_MOST_STREAMS = 10000  # in one file; pbzip2 writes many streams
_CHUNK = 1 << 16  # bytes
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_GZIP = zlib.MAX_WBITS | 16
_COMPRESSIONS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(_GZIP),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lzma.LZMADecompressor,
}


class _Member(tarfile.TarInfo):
    """A header of a tarball. Headers that make tarfile slow, or make it loop, are refused."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> tarfile.TarInfo:  # type: ignore[override]
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0 or (info.type in _HEADERS and info.size > _LARGEST_HEADER):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def files(
    data: bytes, where: str, wanted: Callable[[Iterable[str]], list[str]], largest: int = source_files.LARGEST
) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the wanted files: files first, then links to files of the same tarball.

    :param where: the tarball in messages. :param wanted: chooses among the names in one directory.
    :param largest: the limit of a file in bytes. A larger file is cut off after one byte more.
    :raises GridSecurityError: ``unsafe_tarball``, ``too_large`` or ``no_source``.
    """
    try:
        plain = io.BytesIO(_unpacked(data, where))
        with tarfile.open(fileobj=plain, mode="r:", tarinfo=_Member, encoding="utf-8", errors="replace") as archive:
            yield from _files(archive, where, wanted, largest)
    except GridSecurityError:
        raise
    except Exception as error:  # pylint: disable=broad-except  # tarfile raises errors of many classes, also RecursionError
        other = file_formats.recognize(data, packed=False)
        if other:
            raise GridSecurityError("no_source", f"{where} {other}") from error
        cause = str(error) or type(error).__name__
        raise GridSecurityError("no_source", f"{where} cannot be read: {cause}. Fetch it again.") from error


def _files(
    archive: tarfile.TarFile, where: str, wanted: Callable[[Iterable[str]], list[str]], largest: int
) -> Iterator[tuple[str, bytes]]:
    members = _members(archive, where)
    linked: dict[str, tarfile.TarInfo] = {}
    read: dict[str, bytes] = {}  # content by path of the file; a link shares it
    for path in _chosen(members, wanted):
        file = _target(members, path)
        if file is members[path] and file.isreg():
            yield path, read.setdefault(path, _content(archive, file, largest))
        elif file is not None and file.isreg():
            linked[path] = file
    if sum(file.size for file in linked.values()) > LARGEST:
        raise _too_large(where)
    for path, file in linked.items():
        origin = os.path.normpath(file.name)
        if origin not in read:
            read[origin] = _content(archive, file, largest)
        yield path, read[origin]


def _members(archive: tarfile.TarFile, where: str) -> dict[str, tarfile.TarInfo]:
    """Return all members by their path."""
    members, total = {}, 0
    for number, member in enumerate(archive):
        _check(member, where)
        total += member.size
        if number > source_files.MOST_FILES or total > LARGEST:
            raise _too_large(where)
        members[os.path.normpath(member.name)] = member
    return members


def _chosen(members: Iterable[str], wanted: Callable[[Iterable[str]], list[str]]) -> list[str]:
    """Return the paths of the wanted files, in the order of the tarball. Hidden directories are left out."""
    directories: dict[str, list[str]] = {}
    for path in members:
        directory, name = os.path.split(path)
        directories.setdefault(directory, []).append(name)
    visible = {directory: names for directory, names in directories.items() if not f"/{directory}".count("/.")}
    chosen = {os.path.join(directory, name) for directory, names in visible.items() for name in wanted(names)}
    return [path for path in members if path in chosen]


def _target(members: dict[str, tarfile.TarInfo], path: str) -> tarfile.TarInfo | None:
    """Return the member at the end of links; None if it is not in the tarball."""
    for _link in range(_MOST_LINKS):
        member = members.get(path)
        if member is None or not (member.issym() or member.islnk()):
            return member
        base = os.path.dirname(path) if member.issym() else ""
        path = os.path.normpath(os.path.join(base, member.linkname))
    return None


def _content(archive: tarfile.TarFile, file: tarfile.TarInfo, largest: int) -> bytes:
    stream = archive.extractfile(file)
    return stream.read(largest + 1) if stream else b""


def _too_large(where: str) -> GridSecurityError:
    return GridSecurityError("too_large", f"{where} unpacks to more than any release of IGTF. Check the source.")


def _unpacked(data: bytes, where: str) -> bytes:
    """Return the data without compression. The first bytes tell the compression."""
    new = next(
        (decompressor_class for magic, decompressor_class in _COMPRESSIONS.items() if data.startswith(magic)), None
    )
    if new is None:
        return data
    unpacked, position = bytearray(), 0
    for _stream in range(_MOST_STREAMS):
        decompressor = new()
        while not decompressor.eof:
            chunk = data[position : position + _CHUNK]
            if not chunk:
                raise EOFError("it ends too early")
            position += len(chunk)
            unpacked += decompressor.decompress(chunk, LARGEST + 1 - len(unpacked))
            if len(unpacked) > LARGEST:
                raise _too_large(where)
        position -= len(decompressor.unused_data)
        if not data[position : position + _CHUNK].strip(b"\0"):  # padding
            return bytes(unpacked)
    raise _too_large(where)


def _check(member: tarfile.TarInfo, where: str) -> None:
    """Refuse members and links that lead out of the archive. No release has such members."""
    if member.size < 0:
        raise tarfile.ReadError(f"its member {member.name} has a negative size")
    reached = [member.name]
    if member.issym():
        reached.append(os.path.join(os.path.dirname(member.name), member.linkname))
    elif member.islnk():
        reached.append(member.linkname)
    for name in reached:
        if name.startswith("/") or os.path.normpath(name).split("/")[0] == "..":
            raise GridSecurityError(
                "unsafe_tarball", f"{where}: its member {member.name} leaves the archive ({name}). Fetch it again."
            )
