# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the Debian archive of this machine."""

from __future__ import annotations

from pathlib import Path

__all__ = ["KEYRING", "debian"]

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def debian() -> str:
    """Return the archive's address in apt's sources. apt need not have fetched its lists.

    :raises StopIteration: the sources name no archive.
    """
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    lines = [line for path in files if path.suffix in (".list", ".sources") for line in _lines(path)]
    uris = [word for line in lines if not line.startswith("#") for word in line.split() if "://" in word]
    return next(uri for uri in uris if uri.rstrip("/").endswith("/debian"))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
