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

import fcntl
import hmac
import json
import os
from pathlib import Path
from typing import Any, Callable

from ansible import constants as C

__all__ = ["memoize"]

_RUN_KEY = os.urandom(32)


def memoize(parts: list[bytes], produce: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result of ``produce`` for these inputs: computed once per run, by whichever worker comes first.

    :param parts: everything the result depends on.
    :param produce: gives a JSON-serializable result that holds nothing secret in clear; an exception is not kept.
    """
    message = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    directory = Path(C.DEFAULT_LOCAL_TMP) / "grid.security"
    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / hmac.new(_RUN_KEY, message, "sha256").hexdigest()
    with open(path, "a+", encoding="utf-8", opener=_private) as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)  # a second worker waits here until the first has written
        stream.seek(0)
        known = stream.read()
        if known:
            result: dict[str, Any] = json.loads(known)
            return result
        result = produce()
        stream.write(json.dumps(result))
    return result


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
