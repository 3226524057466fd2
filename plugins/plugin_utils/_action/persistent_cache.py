# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs found out, kept in ansible's home directory so that it is not derived again while nothing changes.

A page holds nothing secret. But the existence of a page for certain passphrases tells a reader of the directory that
they are right. So the name of a page is derived from them by as many iterations of PBKDF2 as the most expensive of the
files that the page speaks of: trying passphrases against a page is never faster than against a file. The same
derivation gives the key of a MAC over the page: only somebody who knows the passphrases can write one.

A page about trust anchors or about iterations depends on no secret. Anybody could compute its name and its MAC. Such a
page is protected by owner and mode of the directory only.

A page that is missing, damaged or of other code costs the time to find out again, and nothing else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import hmac
import json
import os
import stat
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible import constants as C

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache

try:
    from cryptography import __version__ as _CRYPTOGRAPHY
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    _CRYPTOGRAPHY = ""

__all__ = ["Page", "Subject", "pages", "remove_superseded"]

_BEGAN = time.time()  # of this run: ansible's main process imports this file, then forks
_DAY = 86400  # seconds
_UNUSED = 30 * _DAY  # after which a page is removed
_MAC_BYTES = 32
_CODE_BYTES = 8
_CODE_ROOTS = (Path(__file__).parents[1], Path(sandbox.__file__).parents[1])


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    :param known: everything the page depends on that is no secret. :param secret: passphrases.
    :param iterations: of PBKDF2-HMAC-SHA256, if there is a secret.
    :param about: names, no secrets, of what the page describes; a newer page about one of them supersedes this one.
    """

    known: bytes
    secret: bytes = b""
    iterations: int = 1
    about: tuple[str, ...] = ()


def pages(subjects: list[Subject]) -> list[Page]:
    """A page for each; the derivations run on all processors, because hashlib lets go of the interpreter."""
    if not subjects:
        return []
    with ThreadPoolExecutor(sandbox.processors()) as pool:
        return list(pool.map(Page, subjects))


class Page:
    """One page, whether it is there or not."""

    def __init__(self, subject: Subject) -> None:
        salt = hashlib.sha256(_code() + subject.known).digest()
        # No longer than one SHA-256: more would take us as many iterations again, but nobody who guesses.
        derived = hashlib.pbkdf2_hmac("sha256", subject.secret, salt, subject.iterations)
        self._name, self._key = (hmac.digest(derived, purpose, "sha256") for purpose in (b"name", b"key"))
        self._about = subject.about

    def read(self) -> Any:
        """What was written; None if there is nothing that can be trusted."""
        directory = _directory()
        if directory is None:
            return None
        _sweep_once(directory)
        path = directory / self._name.hex()
        try:
            data = _read_own(path)
            _mark_used(path)
        except OSError:
            return None
        mac, rest = data[:_MAC_BYTES], data[_MAC_BYTES:]
        return json.loads(rest[_CODE_BYTES:])["value"] if hmac.compare_digest(mac, self._mac(rest)) else None

    def write(self, value: Any) -> None:
        """Keep what is serializable as JSON; without room or right for it nothing is kept."""
        directory = _directory()
        if directory is None:
            return
        rest = _code()[:_CODE_BYTES] + json.dumps({"about": self._about, "value": value}).encode()
        with contextlib.suppress(OSError):
            _replace(directory / self._name.hex(), self._mac(rest) + rest)

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")


@functools.cache
def _code() -> bytes:
    """A digest of what renders: other code may make something else of the same file."""
    found = hashlib.sha256(_CRYPTOGRAPHY.encode())
    for root in _CODE_ROOTS:
        for path in sorted(root.rglob("*.py")):
            found.update(
                b"\0%b\0%b" % (str(path.relative_to(root)).encode(), hashlib.sha256(path.read_bytes()).digest())
            )
    return found.digest()


def _directory() -> Path | None:
    """Where pages lie; None if somebody else could have written there."""
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
    """Read a page that only this account can have written: the directory may have been open to others once.

    :raises OSError: it is missing, or somebody else's.
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
    """A reader sees the whole page or none. It need not survive a crash of the machine: its MAC tells."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        _mark_used(Path(temporary))
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise


# --- removal of pages -------------------------------------------------------------------------------------------------


def remove_superseded(about: set[str]) -> None:
    """Remove older pages about any of these names, after new ones are written.

    Pages that this run has used or written stay: other hosts may have other lists that share credentials.
    """
    directory = _directory()
    for path in _paths(directory):
        with contextlib.suppress(OSError, ValueError):
            if path.lstat().st_mtime < _BEGAN and about.intersection(_about(path)):
                path.unlink()


def _about(path: Path) -> list[str]:
    """Return what the page describes; nothing if other code wrote it."""
    rest = _read_own(path)[_MAC_BYTES:]
    ours = rest.startswith(_code()[:_CODE_BYTES])
    named: list[str] = json.loads(rest[_CODE_BYTES:])["about"] if ours else []
    return named


def _sweep_once(directory: Path) -> None:
    """Remove unused pages and pages of other code, once per run."""
    run_cache.memoize([b"ledger swept"], lambda: _sweep(directory))


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
