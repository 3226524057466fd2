# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run may leave something, and what may be where.

A secret's class is the first part of its name:

- ``run``: passphrases and keys that are needed on the controller only. They may be nowhere.
- ``node``: passphrases for archives that lie on the node. They travel in the module's arguments.
- ``host``: private keys that are to be stored unencrypted, and other secret contents. They travel in the module's
  arguments, and lie where the task wants them.
- ``stored``: the encrypted private key, as it is stored. Also in the memo of the run, in the controller's private
  temporary directory.
- ``home``: private keys that lay in the way before the run. They stay where they lie, and in backups of these files.

Without pipelining, ansible itself writes a module's arguments to a file, first on the controller, then on the node;
both are private and removed after the task.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ansible_collections.grid.security.tests.functional.leaks.planted import Needles
from ansible_collections.grid.security.tests.functional.leaks.traces import Trace

__all__ = ["counted", "gather", "leaks"]

_ON_CONTROLLER = "controller-tmp/ansible-local-[^/]*/tmp[^/]*"
_ON_NODE = r"ansible-tmp-[^/]*/AnsiballZ_(file_set|pkcs12_pem)\.py"
_PAYLOAD = f"written/.*/({_ON_CONTROLLER}|{_ON_NODE})"
_STORED = r"(written|left)/.*/home[^/]*/(.*/)?(userkey\.pem|hostkey\.pem|token|\.grid-security-[0-9a-f]*\.tmp)"
_BACKUP = rf"{_STORED}[0-9.@:~-]*"
_MEMO = r"written/.*/controller-tmp/ansible-local-[^/]*/grid\.security/[0-9a-f]{64}"
# A private key for the check of a pair: a file in memory is no more exposed than the memory of the process.
_MEMORY = "written/memfd:pair"
_IN_THE_WAY = r"left/.*/home/(user\d|etc)/(usercert\.pem|hostkey\.pem|note)[0-9.@:~-]*"
_ALLOWED = {
    "home": [_IN_THE_WAY],
    "run": [],
    "node": [_PAYLOAD],
    "host": [_PAYLOAD, _BACKUP],
    "stored": [_PAYLOAD, _BACKUP, _MEMO],
}


def gather(site: Any, output: bytes, journal: list[bytes] | None, trace: Trace) -> dict[str, bytes]:
    """Everything that a run said, wrote, executed and left, by place.

    :param journal: None where it cannot be had.
    """
    found = {
        "output": output,
        "journal": b"\n".join(journal or []),
        "arguments": bytes(trace.arguments),
        "environment": bytes(trace.environment),
        "names of files": bytes(trace.names) + "\n".join(trace.written).encode(),
        **{f"written{path}": bytes(data) for path, data in trace.written.items()},
    }
    for path in {*site.root.rglob("*"), *map(Path, trace.written)}:
        if path.is_file() and not path.is_symlink() and site.root / "given" not in path.parents:
            found[f"left{path}"] = path.read_bytes()
    return found


def leaks(found: dict[str, bytes], needles: Needles, pipelining: bool) -> list[str]:
    """Which secret is where it may not be."""
    seen = {data: needles.found_in(data) for data in set(found.values())}  # a payload is written three times
    return sorted(
        f"{name} in {place}"
        for place, data in found.items()
        for name in seen[data]
        if not _is_allowed(name, place, pipelining)
    )


def _is_allowed(name: str, place: str, pipelining: bool) -> bool:
    if place == _MEMORY:
        return name.endswith("key")
    patterns = _ALLOWED[name.partition("-")[0]]
    return any(re.fullmatch(one, place) for one in patterns if one != _PAYLOAD or not pipelining)


def counted(found: dict[str, bytes]) -> dict[str, int]:
    """How many places of each kind were searched."""
    counts: dict[str, int] = {}
    for place in found:
        kind = place.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts
