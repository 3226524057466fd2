# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache results from run to run, in ansible's home directory.

An entry holds nothing secret. But an entry for certain passphrases shows a reader of the directory that these
passphrases are right. So the name of an entry is derived from the passphrases, by as many iterations of PBKDF2 as the
most expensive of the files that the entry describes: guessing passphrases with the name of an entry is never faster
than with a file. The same derivation gives the key of a MAC over the entry: only somebody who knows the passphrases can
write an entry.

An entry about trust anchors or about iterations depends on no secret. Anybody could compute its name and its MAC. Such
an entry is protected by owner and mode of the directory only.

An entry that is missing, damaged or written by other code costs the time to compute the result again, and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
import operator
import os
import stat
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible import constants as C

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache

try:
    from cryptography import __version__ as _CRYPTOGRAPHY
except ImportError:  # ansible-core installs it, but ansible-test imports this file without it
    _CRYPTOGRAPHY = ""

__all__ = ["Entry", "Subject", "entries", "remove_superseded"]

_BEGAN = time.time()  # the start of this run: ansible's main process imports this file, then forks
_DAY = 86400  # seconds
_UNUSED = 30 * _DAY  # after which an entry is removed
_MAC_BYTES = 32
_CODE_BYTES = 8
_CODE_ROOTS = (Path(__file__).parents[1], Path(sandbox.__file__).parents[1])


@dataclass(frozen=True)
class Subject:
    """The inputs of an entry.

    :param known: everything the entry depends on that is no secret. :param secret: passphrases.
    :param iterations: of PBKDF2-HMAC-SHA256, if there is a secret.
    :param about: names, no secrets, of the described things; a newer entry about one of them supersedes this one.
    """

    known: bytes
    secret: bytes = b""
    iterations: int = 1
    about: tuple[str, ...] = ()


def entries(subjects: list[Subject]) -> list[Entry]:
    """Return an entry for each subject. The derivations run on all processors: hashlib releases the interpreter."""
    if not subjects:
        return []
    found = list(map(Entry, subjects))
    with ThreadPoolExecutor(sandbox.processors()) as pool:
        list(pool.map(operator.attrgetter("_keys"), found))
    return found


@dataclass(frozen=True, eq=False)
class Entry:
    """One entry, which may exist or not."""

    subject: Subject

    @functools.cached_property
    def _keys(self) -> tuple[bytes, bytes]:
        """Return the name of the entry, and the key of its MAC."""
        salt = hashlib.sha256(_code() + self.subject.known).digest()
        # One block of SHA-256 only: each further block takes all iterations again for us, but not for a guess.
        derived = hashlib.pbkdf2_hmac("sha256", self.subject.secret, salt, self.subject.iterations)
        return hmac.digest(derived, b"name", "sha256"), hmac.digest(derived, b"key", "sha256")

    def memoize(self, produce: Callable[[], Any]) -> Any:
        """Return the cached value. If there is none, cache the value of ``produce`` and return it."""
        value = self.read()
        if value is None:
            value = produce()
            self.write(value)
        return value

    def read(self) -> Any:
        """Return the cached value; None if there is none that can be trusted."""
        directory = _directory()
        if directory is None:
            return None
        _sweep_once(directory, C.DEFAULT_LOCAL_TMP)
        path = directory / self._keys[0].hex()
        try:
            data = _read_own(path)
            _mark_used(path)
        except OSError:
            return None
        mac, rest = data[:_MAC_BYTES], data[_MAC_BYTES:]
        return json.loads(rest[_CODE_BYTES:])["value"] if hmac.compare_digest(mac, self._mac(rest)) else None

    def write(self, value: Any) -> None:
        """Cache a value that is serializable as JSON. If the directory is not writable, nothing is cached."""
        directory = _directory()
        if directory is None:
            return
        rest = _code()[:_CODE_BYTES] + json.dumps({"about": self.subject.about, "value": value}).encode()
        with contextlib.suppress(OSError):
            _replace(directory / self._keys[0].hex(), self._mac(rest) + rest)

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._keys[1], text, "sha256")


@functools.cache
def _code() -> bytes:
    """Return a digest of all code: other code may convert the same file differently."""
    found = hashlib.sha256(_CRYPTOGRAPHY.encode())
    for root in _CODE_ROOTS:
        for path in sorted(root.rglob("*.py")):
            found.update(
                b"\0%b\0%b" % (str(path.relative_to(root)).encode(), hashlib.sha256(path.read_bytes()).digest())
            )
    return found.digest()


def _directory() -> Path | None:
    """Return the directory of the cache; None if another account could have written there."""
    directory = Path(C.ANSIBLE_HOME) / "grid.security"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
    except OSError:
        return None
    return directory if stat.S_ISDIR(status.st_mode) and _is_ours(status) else None


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _read_own(path: Path) -> bytes:
    """Read an entry that only this account can have written. The directory may have been open to others before.

    :raises OSError: the entry is missing, or belongs to another account.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not (stat.S_ISREG(status.st_mode) and _is_ours(status)):
            raise PermissionError(path)
        return stream.read()


def _mark_used(path: Path) -> None:
    """Set the time by the clock of this machine: a file server may have another."""
    os.utime(path, (time.time(), time.time()))


def _replace(path: Path, data: bytes) -> None:
    """Write an entry. Readers see the whole entry or none. After a crash of the machine its MAC shows the damage."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        _mark_used(Path(temporary))
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


# --- removal of entries -----------------------------------------------------------------------------------------------


def remove_superseded(about: set[str]) -> None:
    """Remove older entries about any of these names, after new ones are written.

    Entries that this run has used or written stay: other hosts may have other lists that share credentials.
    """
    directory = _directory()
    for path in _paths(directory):
        with contextlib.suppress(OSError, ValueError):
            if path.lstat().st_mtime < _BEGAN and about.intersection(_about(path)):
                path.unlink()


def _about(path: Path) -> list[str]:
    """Return the names that an entry describes; nothing if other code wrote it."""
    rest = _read_own(path)[_MAC_BYTES:]
    ours = rest.startswith(_code()[:_CODE_BYTES])
    named: list[str] = json.loads(rest[_CODE_BYTES:])["about"] if ours else []
    return named


@functools.cache
def _sweep_once(directory: Path, _run: str) -> None:
    """Remove unused entries and entries of other code, once per run. :param _run: its temporary directory."""
    run_cache.memoize([b"persistent cache swept"], lambda: _sweep(directory))


def _sweep(directory: Path) -> dict[str, Any]:
    for path in _paths(directory):
        with contextlib.suppress(OSError):
            unused = time.time() - path.lstat().st_mtime
            if unused > _UNUSED or (unused > _DAY and not _is_of_this_code(path)):
                path.unlink()
    return {}


def _is_of_this_code(path: Path) -> bool:
    return _read_own(path)[_MAC_BYTES:].startswith(_code()[:_CODE_BYTES])


def _paths(directory: Path | None) -> list[Path]:
    try:
        return list(directory.iterdir()) if directory else []
    except OSError:
        return []
