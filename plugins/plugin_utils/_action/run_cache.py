# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache results for one run: many hosts need the same results.

Results are in the run's private temporary directory (ansible's local tmp: 0700, removed at exit). Their names are an
HMAC. Its key exists only in the memory of ansible's main process, where the strategy loads the action plugin, and of
the workers forked from it. With a plain hash over a passphrase, a reader of the directory could try passphrases far
faster than with the key file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import io
import json
import os
from pathlib import Path
from typing import Any, Callable, TypeVar

from ansible import constants as C

__all__ = ["memoize", "memoize_all", "recall", "update"]

Key = TypeVar("Key")
Problem = TypeVar("Problem", bound=Exception)
Result = dict[str, Any]

_RUN_KEY = os.urandom(32)
_MOST_LOCKED = 64  # files at a time: each locked file is open


def memoize(parts: list[bytes], produce: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the result of ``produce`` for these inputs. The first worker that needs it computes it for the run.

    :param parts: everything the result depends on.
    :param produce: returns a JSON-serializable result without unencrypted secrets; an exception is not cached.
    """
    try:
        stream = _open(parts)
    except OSError:  # the file cannot be written: each worker computes the result
        return produce()
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # a second worker waits here until the first has written
        known = _read(stream)
        if known is None:
            known = produce()
            _keep(stream, json.dumps(known).encode())
    return known


def memoize_all(
    wanted: dict[Key, list[bytes]], produce: Callable[[list[Key]], dict[Key, Result | Problem]]
) -> dict[Key, Result | Problem]:
    """Return many results, as :func:`memoize` does for one.

    :param wanted: everything that each result depends on.
    :param produce: returns the missing results. An exception in place of a result is returned, and not cached.
    """
    found: dict[Key, Result | Problem] = {}
    by_name: dict[str, list[Key]] = {}
    for key, parts in wanted.items():
        by_name.setdefault(_name(parts), []).append(key)
    names = sorted(by_name)  # all workers lock in this order, so there is no deadlock
    for start in range(0, len(names), _MOST_LOCKED):
        first = {name: by_name[name][0] for name in names[start : start + _MOST_LOCKED]}
        results = _memoize_some(first, produce)
        found.update({key: results[name] for name in first for key in by_name[name]})
    return found


def _memoize_some(
    wanted: dict[str, Key], produce: Callable[[list[Key]], dict[Key, Result | Problem]]
) -> dict[str, Result | Problem]:
    """Return results by the names of their files."""
    with contextlib.ExitStack() as stack:
        found = {name: _read_or_lock(name, stack) for name in wanted}
        results: dict[str, Result | Problem] = {name: known for name, known in found.items() if isinstance(known, dict)}
        missing = [name for name in wanted if name not in results]
        produced = produce([wanted[name] for name in missing]) if missing else {}
        for name in missing:
            result, stream = produced[wanted[name]], found[name]
            results[name] = result
            if isinstance(stream, io.FileIO) and not isinstance(result, Exception):
                _keep(stream, json.dumps(result).encode())
    return results


def _read_or_lock(name: str, stack: contextlib.ExitStack) -> Result | io.FileIO | None:
    """Return the cached result, or the locked file of a missing one. None: the file cannot be written.

    :param stack: closes the locked file.
    """
    try:
        stream = _open_named(name)
        known = _read(stream)
        if known is None:
            fcntl.flock(stream, fcntl.LOCK_EX)  # a second worker waits here until the first has written
            known = _read(stream)
    except OSError:  # the file cannot be written: each worker computes the result
        return None
    if known is None:
        return stack.enter_context(stream)
    stream.close()
    return known


def recall(parts: list[bytes], wait: bool = False) -> dict[str, Any] | None:
    """Return the cached result for these inputs; None if there is none.

    :param wait: until no other worker writes it. Without waiting, a half written result counts as missing.
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
    return _open_named(_name(parts))


def _name(parts: list[bytes]) -> str:
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    return hmac.new(_RUN_KEY, message, "sha256").hexdigest()


def _open_named(name: str) -> io.FileIO:
    directory = Path(C.DEFAULT_LOCAL_TMP) / "grid.security"
    directory.mkdir(mode=0o700, exist_ok=True)
    return io.FileIO(directory / name, "a+", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _read(stream: io.FileIO) -> dict[str, Any] | None:
    """Return the cached result; None if there is none, or only a part of it, because the worker was killed."""
    stream.seek(0)
    try:
        known: dict[str, Any] = json.loads(stream.read())
    except ValueError:
        return None
    return known


def _keep(stream: io.FileIO, data: bytes) -> None:
    """Write a result. On a full disk nothing is cached, and an earlier result is lost."""
    stream.truncate(0)
    try:
        whole = stream.write(data) == len(data)
    except OSError:
        whole = False
    if not whole:
        stream.truncate(0)
