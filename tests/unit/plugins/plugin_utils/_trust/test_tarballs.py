# SPDX-License-Identifier: GPL-3.0-or-later
"""Tarballs as they are published, and as nobody should be able to stop a controller with."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import time
from collections.abc import Callable

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import source_files, tarballs

MIB = 1 << 20
END = bytes(1024)


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, size: int | None = None) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


ONE = member("certs/one.pem", b"one")


def read(data: bytes) -> dict[str, bytes]:
    return dict(tarballs.files(data, "bundle.tar", source_files.of_interest))


def outcome(data: bytes) -> str | dict[str, bytes]:
    """Return the files of the tarball, or the error code."""
    start = time.process_time()
    try:
        return read(data)
    except GridSecurityError as error:
        assert error.message.startswith("bundle.tar")
        return error.error_code
    finally:
        assert time.process_time() - start < 10


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_every_compression(pack: Callable[[bytes], bytes]) -> None:
    tar = member("./certs/one.pem", b"one") + member("certs/README", b"Read me") + member("two.pem", b"two") + END
    assert read(pack(tar)) == {"certs/one.pem": b"one", "two.pem": b"two"}
    assert read(pack(tar[:700]) + pack(tar[700:]) + (bytes(300) if pack is not bytes else b"")) == read(tar)


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_and_other_alphabets(form: int) -> None:
    path = f"{'long/' * 60}é.pem"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        info = tarfile.TarInfo(path)
        info.size = 3
        archive.addfile(info, io.BytesIO(b"one"))
    assert read(stream.getvalue()) == {path: b"one"}
    assert list(read(member("\udcff.pem", b"x"))) == ["\ufffd.pem"]  # no UTF-8


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_truncated_and_damaged(pack: Callable[[bytes], bytes]) -> None:
    data = pack(ONE + END)
    assert outcome(data[:-9]) == "no_source"
    for at in range(3, len(data), 7):
        damaged = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        assert outcome(damaged) in ("no_source", "too_large", {"certs/one.pem": b"one"})


def compressed(block: bytes, times: int, pack: str) -> bytes:
    """Return many repetitions of a block, packed block by block."""
    packer = {"bz2": bz2.BZ2Compressor(), "xz": lzma.LZMACompressor(preset=0)}[pack]
    return b"".join([packer.compress(block) for _time in range(times)] + [packer.flush()])


BOMBS: dict[str, Callable[[], bytes]] = {
    "name of 80 MiB": lambda: compressed(
        member("x", kind=tarfile.GNUTYPE_LONGNAME, size=80 * MIB) + bytes(80 * MIB), 1, "xz"
    ),
    "zeros, bz2": lambda: compressed(bytes(8 * MIB), 10, "bz2"),
    "zeros, xz": lambda: compressed(bytes(8 * MIB), 10, "xz"),
    "file that says it is large": lambda: member("one.pem", size=1 << 33) + END,
    "many files": lambda: member("a") * 20_002 + END,
    "many streams": lambda: gzip.compress(b"") * 20_000 + gzip.compress(ONE),
    "much in small files": lambda: gzip.compress(member("one.pem", bytes(MIB)) * 66),
}


def test_a_large_file_is_cut_off() -> None:
    assert read(member("one.pem", bytes(2 * MIB)) + ONE) == {"one.pem": bytes(MIB + 1), "certs/one.pem": b"one"}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs(bomb: str) -> None:
    assert outcome(BOMBS[bomb]()) == "too_large"


def test_links_to_files_of_the_same_tarball() -> None:
    """A tarball and the directory that it was made from have the same files."""
    links = []
    for name, kind, target in (
        ("certs/01234567.0", tarfile.SYMTYPE, "one.pem"),
        ("certs/89abcdef.0", tarfile.LNKTYPE, "certs/one.pem"),
        ("two.pem", tarfile.SYMTYPE, "certs/01234567.0"),
        ("three.pem", tarfile.SYMTYPE, "store/3"),
        ("nowhere.pem", tarfile.SYMTYPE, "gone.pem"),
        ("loop.pem", tarfile.SYMTYPE, "loop.pem"),
    ):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, target
        links.append(info.tobuf(tarfile.GNU_FORMAT))
    found = read(b"".join(links) + ONE + member("store/3", b"three") + END)
    names = ("certs/one.pem", "certs/01234567.0", "certs/89abcdef.0", "two.pem")
    assert found == {**dict.fromkeys(names, b"one"), "three.pem": b"three"}


def test_many_links_to_a_large_file() -> None:
    info = tarfile.TarInfo()
    info.type, info.linkname = tarfile.SYMTYPE, "one.pem"
    links = []
    for number in range(65):
        info.name = f"{number}.pem"
        links.append(info.tobuf(tarfile.GNU_FORMAT))
    large = member("one.pem", bytes(MIB))
    assert len(read(large + b"".join(links[:64]) + END)) == 65
    assert outcome(large + b"".join(links) + END) == "too_large"


def test_names_that_begin_with_a_dot() -> None:
    """macOS puts files of attributes into tarballs."""
    names = ("._one.pem", "certs/._one.pem", ".git/one.pem", "a/.b/one.pem", "a/..b/one.pem")
    assert read(b"".join(member(name) for name in names) + ONE + END) == {"certs/one.pem": b"one"}


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"<html>", "is a web page"), (b"PK\3\4", "is a zip archive"), (b"rubbish", "cannot be read")],
)
def test_what_it_is_instead(data: bytes, message: str) -> None:
    with pytest.raises(GridSecurityError, match=f"bundle.tar {message}"):
        read(data)


TRAPS = {
    "names of names": member("x", bytes(512), tarfile.GNUTYPE_LONGNAME) * 5000 + ONE,
    "attributes of attributes": member("x", b"9 a=bcde\n", tarfile.XHDTYPE) * 5000 + ONE,
    "attributes of digits": member("x", b"1" * 2 * MIB, tarfile.XHDTYPE) + ONE,
    "file of negative size": member("one.pem", size=-512) + ONE,
    "name of negative size": member("x", kind=tarfile.GNUTYPE_LONGNAME, size=-1024) + ONE,
    "negative size in attributes": member("x", b"15 size=-10240\n", tarfile.XHDTYPE) + ONE,
    "enormous size in attributes": member("x", b"25 size=" + b"9" * 16 + b"\n", tarfile.XHDTYPE) + ONE,
    "size that is no number": member("x", b"12 size=x\xff\n", tarfile.XHDTYPE) + ONE,
    "no tarball": b"<html>",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps(trap: str) -> None:
    """Versions of Python see some of them differently."""
    # Python 3.10 and 3.11 take a size that is none for 0.
    expected = {"certs/one.pem": b"" if trap == "size that is no number" else b"one"}
    assert outcome(TRAPS[trap]) in ("no_source", "too_large", {}, {"certs/one.pem": b"one"}, expected)


@pytest.mark.parametrize(
    "leaving", [member("../one.pem", b"x"), member("/etc/one.pem", b"x"), member("certs/../../one.pem", b"x")]
)
def test_members_that_leave(leaving: bytes) -> None:
    assert outcome(leaving) == "unsafe_tarball"


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("target", "kind", "expected"),
    [
        ("../one.pem", tarfile.SYMTYPE, None),
        ("../../one.pem", tarfile.SYMTYPE, "unsafe_tarball"),
        ("/etc/ssl/cert.pem", tarfile.SYMTYPE, "unsafe_tarball"),
        ("../../etc/ssl/cert.pem", tarfile.SYMTYPE, "unsafe_tarball"),
        ("certs/../one.pem", tarfile.LNKTYPE, None),  # a hard link is relative to the archive, not to its directory
        ("../one.pem", tarfile.LNKTYPE, "unsafe_tarball"),
        ("/etc/ssl/cert.pem", tarfile.LNKTYPE, "unsafe_tarball"),
        ("..one.pem", tarfile.LNKTYPE, {"one.pem": b"1"}),
    ],
)
def test_links_stay_in_the_archive(target: str, kind: bytes, expected: str | dict[str, bytes] | None) -> None:
    found = outcome(member("one.pem", b"1") + link("certs/link.pem", target, kind) + END)
    assert found == (expected or {"one.pem": b"1", "certs/link.pem": b"1"})


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize(("number", "is_read"), [(7, True), (8, False)])
def test_links_to_links_are_followed_a_few_times(kind: bytes, number: int, is_read: bool) -> None:
    names = [f"{level}.pem" for level in range(number)]
    links = [link(name, target, kind) for name, target in zip(names, [*names[1:], "one.pem"])]
    assert ("0.pem" in read(member("one.pem", b"1") + b"".join(links) + END)) is is_read


def test_directories_and_links_to_them_are_no_files() -> None:
    directory = member("certs.pem", kind=tarfile.DIRTYPE)
    assert read(directory + link("link.pem", "certs.pem") + member("pipe.pem", kind=tarfile.FIFOTYPE) + ONE + END) == {
        "certs/one.pem": b"one"
    }


def test_files_come_before_links_in_the_order_of_the_archive() -> None:
    data = link("a.pem", "c.pem") + member("d.pem", b"d") + member("c.pem", b"c") + link("b.pem", "d.pem") + END
    assert list(read(data)) == ["d.pem", "c.pem", "a.pem", "b.pem"]


HEADERS = {
    "attributes": tarfile.XHDTYPE,
    "attributes of all": tarfile.XGLTYPE,
    "attributes of Solaris": tarfile.SOLARIS_XHDTYPE,
    "long name": tarfile.GNUTYPE_LONGNAME,
    "long link": tarfile.GNUTYPE_LONGLINK,
}


@pytest.mark.parametrize("kind", HEADERS.values(), ids=HEADERS)
def test_large_headers_are_refused(kind: bytes) -> None:
    assert outcome(member("x", bytes((64 << 10) + 1), kind) + ONE + END) == "no_source"


def test_a_name_of_64_kib_is_read() -> None:
    path = "d/" * 32764 + "one.pem"
    data = path.encode() + b"\0"
    assert len(data) == 64 << 10
    assert read(member("x", data, tarfile.GNUTYPE_LONGNAME) + ONE + END) == {path: b"one"}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize(("largest", "is_read"), [(2048, True), (2047, False)])
def test_the_size_of_the_archive_is_limited_to_the_byte(
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes], largest: int, is_read: bool
) -> None:
    """Unpacked, if it is packed; or else the files in it."""
    monkeypatch.setattr(tarballs, "LARGEST", largest)
    data = member("one.pem", bytes(2048)) if pack is bytes else ONE + END
    assert len(data) == 2560 if pack is bytes else 2048
    assert (outcome(pack(data)) != "too_large") is is_read


@pytest.mark.parametrize(("most", "is_read"), [(2, True), (1, False)])
def test_the_number_of_members_is_limited(monkeypatch: pytest.MonkeyPatch, most: int, is_read: bool) -> None:
    monkeypatch.setattr(source_files, "MOST_FILES", most)
    data = b"".join(member(f"{number}.pem") for number in range(3)) + END
    assert (outcome(data) != "too_large") is is_read


@pytest.mark.parametrize(("most", "is_read"), [(3, True), (2, False)])
def test_the_number_of_streams_is_limited(monkeypatch: pytest.MonkeyPatch, most: int, is_read: bool) -> None:
    monkeypatch.setattr(tarballs, "_MOST_STREAMS", most)
    data = ONE + END
    assert (
        outcome(b"".join(gzip.compress(one) for one in (data[:512], data[512:700], data[700:]))) != "too_large"
    ) is (is_read)


@pytest.mark.parametrize(("largest", "expected"), [(2, b"one"), (1, b"on")])
def test_files_are_cut_off_one_byte_above_the_limit(largest: int, expected: bytes) -> None:
    found = dict(tarballs.files(ONE + link("certs/two.pem", "one.pem") + END, "x", source_files.of_interest, largest))
    assert found == {"certs/one.pem": expected, "certs/two.pem": expected}


def test_the_cause_is_told() -> None:
    with pytest.raises(GridSecurityError, match=r"^x cannot be read: [a-z ]+\. Fetch"):
        list(tarballs.files(b"rubbish" * 100, "x", source_files.of_interest))
