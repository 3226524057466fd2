# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier runs found out, kept in ansible's home directory so that it is not derived again while nothing changes.

A page holds nothing secret. But that there is a page for certain passphrases tells who reads the directory that these
are the right ones; so its name is derived from them by as many rounds of PBKDF2 as protect the private key itself, and
trying passphrases here is no faster than there. The same derivation gives the key of a MAC over the page: who does not
know the passphrases cannot write one.

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

from ansible_collections.grid.security.plugins.module_utils import bounded

try:
    from cryptography import __version__ as _CRYPTOGRAPHY
except ImportError:  # ansible-core brings it; ansible-test imports this file without
    _CRYPTOGRAPHY = ""

__all__ = ["Page", "Subject", "pages"]

_UNUSED = 30 * 86400  # seconds after which a page is thrown away
_DAY = 86400  # seconds; how exactly it is known when a page was used


@dataclass(frozen=True)
class Subject:
    """What a page is about.

    :param known: everything the page depends on that is no secret. :param secret: passphrases.
    :param rounds: of PBKDF2-HMAC-SHA256, if there is a secret.
    """

    known: bytes
    secret: bytes = b""
    rounds: int = 1


def pages(subjects: list[Subject]) -> list[Page]:
    """A page for each; the derivations run on all processors, because hashlib lets go of the interpreter."""
    if not subjects:
        return []
    with ThreadPoolExecutor(bounded.processors()) as pool:
        return list(pool.map(Page, subjects))


class Page:
    """One page, whether it is there or not."""

    def __init__(self, subject: Subject) -> None:
        salt = hashlib.sha256(_code() + subject.known).digest()
        # No longer than one SHA-256: more would take us as many rounds again, but nobody who guesses.
        derived = hashlib.pbkdf2_hmac("sha256", subject.secret, salt, subject.rounds)
        self._name, self._key = (hmac.digest(derived, purpose, "sha256") for purpose in (b"name", b"key"))

    def read(self) -> Any:
        """What was written; None if there is nothing that can be trusted."""
        directory = _directory()
        if directory is None:
            return None
        path = directory / self._name.hex()
        try:
            data = path.read_bytes()
            _mark_used(path)
        except OSError:
            return None
        mac, text = data[:32], data[32:]
        return json.loads(text) if hmac.compare_digest(mac, self._mac(text)) else None

    def write(self, value: Any) -> None:
        """Keep what is serializable as JSON; without room or right for it nothing is kept."""
        directory = _directory()
        if directory is None:
            return
        text = json.dumps(value).encode()
        with contextlib.suppress(OSError):
            _throw_away_unused(directory)
            _replace(directory / self._name.hex(), self._mac(text) + text)

    def _mac(self, text: bytes) -> bytes:
        return hmac.digest(self._key, text, "sha256")


@functools.cache
def _code() -> bytes:
    """A digest of what renders: other code may make something else of the same file."""
    utils = Path(__file__).parent, Path(bounded.__file__).parent
    sources = [path.read_bytes() for directory in utils for path in sorted(directory.glob("*.py"))]
    return hashlib.sha256(b"\0".join([_CRYPTOGRAPHY.encode(), *sources])).digest()


def _directory() -> Path | None:
    """Where pages lie; None if somebody else could have written there."""
    directory = Path(C.ANSIBLE_HOME) / "grid.security"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.lstat()
    except OSError:
        return None
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
    return directory if ours else None


def _mark_used(path: Path) -> None:
    if time.time() - path.stat().st_mtime > _DAY:
        os.utime(path)


def _throw_away_unused(directory: Path) -> None:
    for path in directory.iterdir():
        if time.time() - path.stat().st_mtime > _UNUSED:
            path.unlink()


def _replace(path: Path, data: bytes) -> None:
    """A reader sees the whole page or none. It need not survive a crash of the machine: its MAC tells."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
