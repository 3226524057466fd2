# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tarballs from elsewhere, read in memory and within limits. Nothing is unpacked to disk."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["LARGEST", "files"]

LARGEST = 64 << 20  # bytes, unpacked; of IGTF's a tenth
_LARGEST_FILE = 1 << 20  # bytes; the largest of IGTF's is 20 kB
_LARGEST_HEADER = 1 << 16  # bytes of a name or of extended attributes
_MOST_FILES = 20000
_MOST_STREAMS = 10000  # in one file after the other, as pbzip2 writes them
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
    """A header; those that tarfile takes long over, or goes in circles at, are refused."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> tarfile.TarInfo:  # type: ignore[override]
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0 or (info.type in _HEADERS and info.size > _LARGEST_HEADER):
            raise tarfile.ReadError(f"a header of {info.size} bytes")
        return info


def files(
    data: bytes, where: str, wanted: Callable[[str], bool], largest: int = _LARGEST_FILE
) -> Iterator[tuple[str, bytes]]:
    """Path and content of the regular files whose name is ``wanted``.

    :param where: what messages call the tarball. :param largest: how many bytes a file may have.
    :raises GridSecurityError: ``unsafe_tarball``, ``too_large`` or ``no_source``.
    """
    try:
        plain = io.BytesIO(_unpacked(data, where))
        with tarfile.open(fileobj=plain, mode="r:", tarinfo=_Member, encoding="utf-8", errors="replace") as archive:
            yield from _files(archive, where, wanted, largest)
    except GridSecurityError:
        raise
    except Exception as error:  # pylint: disable=broad-except  # of many classes, RecursionError among them
        cause = str(error) or type(error).__name__
        raise GridSecurityError("no_source", f"{where} cannot be read: {cause}. Fetch it again.") from error


def _files(
    archive: tarfile.TarFile, where: str, wanted: Callable[[str], bool], largest: int
) -> Iterator[tuple[str, bytes]]:
    total = 0
    for number, member in enumerate(archive):
        _check(member, where)
        total += member.size
        if number > _MOST_FILES or total > LARGEST:
            raise _too_large(where)
        path = os.path.normpath(member.name)
        if member.isreg() and wanted(os.path.basename(path)):
            stream = archive.extractfile(member)
            content = stream.read(largest + 1) if stream else b""
            if len(content) > largest:
                size = f"{largest >> 20} MiB"
                raise GridSecurityError(
                    "too_large", f"{where}: {path} is larger than {size}, so it is no trust anchor. Check the source."
                )
            yield path, content


def _too_large(where: str) -> GridSecurityError:
    return GridSecurityError("too_large", f"{where} unpacks to more than any release of IGTF. Check the source.")


def _unpacked(data: bytes, where: str) -> bytes:
    """``data`` without its compression, which its first bytes tell, if it has any."""
    new = next((one for magic, one in _COMPRESSIONS.items() if data.startswith(magic)), None)
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
    """Nothing is unpacked, so nothing could be overwritten; but an archive that tries is not what was published."""
    if member.size < 0:
        raise tarfile.ReadError(f"its member {member.name} has less than no content")
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
