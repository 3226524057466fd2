# SPDX-License-Identifier: GPL-3.0-or-later
"""Make new inputs from old inputs with knowledge of the formats: most random changes would fail at the first length."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import re
import tarfile
import zlib
from collections.abc import Callable

from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem

__all__ = ["Mutate", "anything", "asn1", "either", "join", "pem_text", "sections", "split", "tarball", "text"]

Mutate = Callable[[bytes, random.Random], bytes]

_INTERESTING = [b"", b"\0", b"\xff", b"\x7f", b"\x80", b"\0" * 16, b"\xff" * 16, b"\x7f\xff\xff\xff", "💩".encode()]
_WORDS = [b'"', b"'", b"=", b"#", b"\\", b"/", b"..", b"/CN=x", b"\t", b"\r\n", b"\n\n", b"*", b":", b",", b"\x1b[2J"]
_LARGEST = 1 << 20
_RARELY = 0.005


# --- bytes ------------------------------------------------------------------------------------------------------------


def anything(data: bytes, rng: random.Random) -> bytes:
    """Make a change without knowledge of the format."""
    start = rng.randrange(len(data) + 1)
    end = min(len(data), start + rng.choice((0, 1, 1, 2, 4, 16, 64, 512)))
    part = data[start:end]
    changed = rng.choice(
        (
            bytes(byte ^ 1 << rng.randrange(8) for byte in part),
            rng.randbytes(len(part)),
            rng.choice(_INTERESTING),
            part + rng.choice(_INTERESTING),
            b"",
            part * rng.choice((2, 3, 50)),
        )
    )
    if rng.random() < _RARELY and part:
        changed = part * (_LARGEST // len(part))
    return (data[:start] if rng.random() < 0.02 else data[:start] + changed + data[end:])[:_LARGEST]


# --- DER --------------------------------------------------------------------------------------------------------------

_OID = bytes.fromhex("2a864886f70d01050d")
_CONTENTS = [*_INTERESTING, _OID, b"\x81" * 3000 + b"\1", b"\x7f" + b"\xff" * 2000, b"\xd8\x00", b"a\nb\x1b"]


class _Node:
    """Hold an element that can be changed. An octet string with an element in it is treated as constructed."""

    def __init__(self, element: der.Element) -> None:
        self.tag, self.content = element.tag, element.content
        self.children = [_Node(child) for child in element.children]
        if self.tag == der.OCTET_STRING and self.content[:1] == b"\x30":
            try:
                self.children = [_Node(der.read(self.content))]
            except der.DerError:
                pass

    def all(self) -> list[_Node]:
        return [self, *(node for child in self.children for node in child.all())]

    def encoded(self) -> bytes:
        return der.encode(self.tag, b"".join(child.encoded() for child in self.children) or self.content)


def asn1(data: bytes, rng: random.Random) -> bytes:
    """Change an element, and correct all lengths around it."""
    try:
        root = _Node(der.read(data))
    except der.DerError:
        return anything(data, rng)
    nodes = root.all()
    for _change in range(rng.choice((1, 1, 1, 2, 4))):
        _change_node(rng.choice(nodes), rng.choice(nodes), rng)
    if max(map(_depth, root.children or [root])) > 200:
        return data
    return root.encoded()[:_LARGEST]


def _depth(node: _Node) -> int:
    depth, level = 0, [node]
    while level and depth < 300:
        depth, level = depth + 1, [child for one in level for child in one.children]
    return depth


def _change_node(node: _Node, other: _Node, rng: random.Random) -> None:
    kind = rng.randrange(7)
    if kind == 0:
        node.tag = rng.choice((2, 3, 4, 5, 6, 0x0C, 0x13, 0x1E, 0x30, 0x31, 0xA0, 0x80, rng.randrange(256)))
    elif kind == 1:
        node.content, node.children = rng.choice((*_CONTENTS, anything(node.content[:200], rng))), []
    elif kind == 2 and node.children:
        node.children.pop(rng.randrange(len(node.children)))
    elif kind == 3 and node.children:
        node.children.insert(rng.randrange(len(node.children)), rng.choice(node.children))
    elif kind == 4 and node.children:
        node.children *= 2000 if rng.random() < _RARELY else 2
    elif kind == 5 and node not in other.all():
        node.tag, node.content, node.children = other.tag, other.content, list(other.children)
    elif kind == 6:
        rng.shuffle(node.children)


# --- PEM and text -----------------------------------------------------------------------------------------------------


def pem_text(data: bytes, rng: random.Random) -> bytes:
    """Change the content of a block, a label, or the text."""
    blocks = list(pem.blocks(data))
    if not blocks or rng.random() < 0.2:
        return rng.choice((text, anything))(data, rng)
    block = rng.choice(blocks)
    label = block.label if rng.random() < 0.9 else rng.choice(("CERTIFICATE", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"))
    return data.replace(block.text, pem.encode(label, asn1(block.data, rng)), 1)[:_LARGEST]


def either(first: Mutate, second: Mutate) -> Mutate:
    """Change DER or PEM."""
    return lambda data, rng: rng.choice((first, second))(data, rng)


def text(data: bytes, rng: random.Random) -> bytes:
    """Change lines and words."""
    lines = data.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(lines))
    words = re.split(rb"(\s+|[\"'=:,/])", lines[at])
    kind = rng.randrange(6)
    if kind == 0:
        lines.pop(at)
    elif kind == 1:
        lines.insert(rng.randrange(len(lines)), lines[at])
    elif kind == 2:
        lines.insert(at, rng.choice(_WORDS) + rng.choice(lines))
    elif kind == 3:
        words.insert(rng.randrange(len(words) + 1), rng.choice(_WORDS))
        lines[at] = b"".join(words)
    elif kind == 4:
        words[rng.randrange(len(words))] *= 60_000 if rng.random() < _RARELY else rng.choice((0, 2, 40))
        lines[at] = b"".join(words)
    else:
        return anything(data, rng)
    return b"".join(lines)[:_LARGEST]


# --- several files in one input ---------------------------------------------------------------------------------------

_HEADER = re.compile(rb"^==> (.*) <==\n", re.MULTILINE)


def join(files: dict[str, bytes]) -> bytes:
    """Join several files to an input, in the form that ``head`` and ``tail`` print."""
    return b"".join(b"==> %s <==\n%s" % (name.encode(), data) for name, data in files.items())


def split(data: bytes) -> dict[str, bytes]:
    """Return the files of an input that :func:`join` made, also after mutations."""
    _start, *parts = _HEADER.split(data)
    names = [name.decode("utf-8", "replace").replace("\0", "") for name in parts[::2]]
    return dict(zip(names, parts[1::2]))


def sections(mutate: Mutate) -> Mutate:
    """Change one of several files, or sometimes its name."""

    def changed(data: bytes, rng: random.Random) -> bytes:
        files = split(data)
        if not files or rng.random() < 0.1:
            return text(data, rng)
        name = rng.choice(sorted(files))
        return join({**files, name: mutate(files[name], rng)})

    return changed


# --- tarballs ---------------------------------------------------------------------------------------------------------

_BLOCK = 512
_FIELDS = [(0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155)]
_NUMBERS = [b"0" * 11, b"7" * 11, b"\x80" + b"\0" * 3 + b"\xff" * 8, b"\xff" * 12, b" " * 12, b"-1"]
_SPECIAL = b"05123467xgLKSV"
_PACK: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress, lambda data: lzma.compress(data, preset=0)]


def tarball(data: bytes, rng: random.Random) -> bytes:
    """Change a header and correct its checksum, or change a part of the file, compressed or not."""
    if rng.random() < 0.2:
        return anything(data, rng)
    plain = _unpacked(data)
    if len(plain) < _BLOCK:
        return anything(data, rng)
    headers = [at for at in range(0, len(plain) - _BLOCK + 1, _BLOCK) if plain[at + 257 : at + 262] == b"ustar"]
    changed = _change_header(plain, rng.choice(headers), rng) if headers else anything(plain, rng)
    return rng.choice(_PACK)(changed) if rng.random() < 0.3 else changed


def _unpacked(data: bytes) -> bytes:
    """Return the first bytes of the unpacked data: some tarballs unpack to more than the memory."""
    for opened in (gzip.open, bz2.open, lzma.open):
        try:
            with opened(io.BytesIO(data)) as stream:
                return bytes(stream.read(_LARGEST))
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
            continue
    return data


def _change_header(plain: bytes, at: int, rng: random.Random) -> bytes:
    header = bytearray(plain[at : at + _BLOCK])
    start, size = rng.choice(_FIELDS)
    present = bytes(header[start : start + size])
    value = rng.choice((rng.choice(_NUMBERS), bytes([rng.choice(_SPECIAL)]), anything(present, rng)))
    header[start : start + size] = value[:size].ljust(size, b"\0")
    header[148:156] = b"%06o\0 " % (256 + sum(header) - sum(header[148:156]))
    repeat = 1 if rng.random() < 0.9 else rng.choice((2, 400, 1500))
    end = at + (_BLOCK if rng.random() < 0.7 else 2 * _BLOCK)
    return (plain[:at] + (bytes(header) + plain[at + _BLOCK : end]) * repeat + plain[end:])[:_LARGEST]


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: object) -> bytes:
    """Return a member of a tarball, with any ``size`` in its header."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % _BLOCK)
