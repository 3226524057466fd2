# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render once per run what many hosts need, without telling anybody who reads the directory more than the result.

Results lie in the run's private temporary directory (ansible's local tmp: 0700, removed at exit). They are keyed by an
HMAC under a key that exists only in the memory of ansible's main process, where the strategy loads the action plugin,
and of the workers forked from it: a plain hash over a passphrase would let a reader of the directory try passphrases
far faster than the key file does.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import io
import json
import os
from pathlib import Path
from typing import Any, Callable

from ansible import constants as C

__all__ = ["memoize", "recall", "update"]

_RUN_KEY = os.urandom(32)


def memoize(parts: list[bytes], produce: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of ``produce`` for these inputs: computed once per run, by whichever worker comes first.

    :param parts: everything the result depends on.
    :param produce: gives a JSON-serializable result that holds nothing secret in clear; an exception is not kept.
    """
    try:
        stream = _open(parts)
    except OSError:  # no room, or no right: then every worker computes for itself
        return produce()
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # a second worker waits here until the first has written
        known = _read(stream)
        if known is None:
            known = produce()
            _keep(stream, json.dumps(known).encode())
    return known


def recall(parts: list[bytes], wait: bool = False) -> dict[str, Any] | None:
    """The result for these inputs, if one is there already.

    :param wait: until no other worker writes it; otherwise a result that is half written counts as missing.
    """
    try:
        with _open(parts) as stream:
            if wait:
                fcntl.flock(stream, fcntl.LOCK_SH)
            return _read(stream)
    except OSError:
        return None


def update(parts: list[bytes], change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Replace the result for these inputs by ``change(result)``.

    A missing result counts as an empty dictionary. Read it by ``recall(parts, wait=True)``.
    """
    with contextlib.suppress(OSError), _open(parts) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        known = _read(stream) or {}
        changed = change(known)
        if changed != known:
            _keep(stream, json.dumps(changed).encode())


def _open(parts: list[bytes]) -> io.FileIO:
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    directory = Path(C.DEFAULT_LOCAL_TMP) / "grid.security"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / hmac.new(_RUN_KEY, message, "sha256").hexdigest()
    return io.FileIO(path, "a+", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _read(stream: io.FileIO) -> dict[str, Any] | None:
    """What another worker kept; None if there is none, or only part of it, because that worker was killed."""
    stream.seek(0)
    try:
        known: dict[str, Any] = json.loads(stream.read())
    except ValueError:
        return None
    return known


def _keep(stream: io.FileIO, data: bytes) -> None:
    """Write a result. On a full disk nothing is kept, and a result that was there before is lost."""
    stream.truncate(0)
    try:
        whole = stream.write(data) == len(data)
    except OSError:
        whole = False
    if not whole:
        stream.truncate(0)
