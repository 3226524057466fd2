# SPDX-License-Identifier: GPL-3.0-or-later
"""Search all places in which a run may leave a secret, and define which secrets are allowed where.

A secret's class is the first part of its name:

- ``run``: passphrases and keys that only the controller needs. They are allowed nowhere.
- ``node``: passphrases of archives on the node. They are sent in the module's arguments.
- ``host``: private keys that are stored unencrypted, and other secret contents. They are sent in the module's
  arguments, and are at the path that the task names.
- ``stored``: the encrypted private key, as it is stored. It is also in the run cache, in the controller's private
  temporary directory.
- ``home``: private keys that were at a path before the run. They stay there, and in backups of these files.

Without pipelining, Ansible itself writes a module's arguments to a file, first on the controller, then on the node.
Both files are private, and are removed after the task.
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
# The check of a pair has a private key in a file in memory. It is as safe as the memory of the process.
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
    """Hold everything that a run printed, wrote, executed and left, by place.

    :param journal: None if it cannot be read.
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
    """Return each secret in a place where it is not allowed."""
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
    """Return the number of searched places of each kind."""
    counts: dict[str, int] = {}
    for place in found:
        kind = place.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts
