# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engine in its own process, like the module, with the pipes of Ansible."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

__all__ = ["Engine", "Run", "credential_set", "encoded", "file_entry", "removal_set"]

_CODE = """
import json, sys
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
json.dump(inspectors.converge(**json.load(sys.stdin)), sys.stdout)
"""
_PATIENCE = 60.0  # seconds for any run


@dataclass(frozen=True)
class Run:
    """Hold the result of a run. :param outcomes: the outcome of each set, by its name."""

    outcomes: dict[str, dict[str, Any]]
    seconds: float

    def kinds(self) -> dict[str, str]:
        """Return one word for each set: the error code, or whether something changed."""
        return {
            name: one["error_code"] if one.get("failed") else "changed" if one["changed"] else "unchanged"
            for name, one in self.outcomes.items()
        }


class Engine:
    """Run the engine, and allow the test to watch it."""

    def __init__(
        self,
        sets: list[dict[str, Any]],
        contents: dict[str, str] | None = None,
        *,
        limit: float = 30.0,
        check: bool = False,
        prefix: tuple[str, ...] = (),
    ) -> None:
        """Start the engine. :param prefix: a command that runs the engine, such as ``strace``."""
        self._started = time.monotonic()
        self._sets = sets
        arguments = {"sets": sets, "contents": contents or {}, "check": check, "diff": True, "limit": limit}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([*prefix, sys.executable, "-c", _CODE], text=True, cwd="/", **pipes)  # type: ignore[call-overload]
        assert self.process.stdin
        self.process.stdin.write(json.dumps(arguments))
        self.process.stdin.close()
        self.process.stdin = None

    def result(self) -> Run:
        """Wait for the end of the output, like Ansible. The output must be one JSON document and nothing else."""
        out, err = self.process.communicate(timeout=_PATIENCE)
        assert self.process.returncode == 0, err
        assert not err, err
        outcomes = json.loads(out)
        # Ansible refuses the whole answer if one string is no valid Unicode.
        json.dumps(outcomes, ensure_ascii=False).encode()
        return Run({one["name"]: result for one, result in zip(self._sets, outcomes)}, time.monotonic() - self._started)


def encoded(*texts: str) -> dict[str, str]:
    """Return contents by their digests, in the form of the engine."""
    return {_digest(text): base64.b64encode(text.encode()).decode() for text in texts}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def file_entry(path: str, text: str, **fields: Any) -> dict[str, Any]:
    """Return an entry for a file with this content."""
    return {"path": path, "state": "file", "sha256": _digest(text), "size": len(text), "mode": "0600", **fields}


def credential_set(
    name: str, owner: str | None, directory: str, texts: tuple[str, str], **fields: Any
) -> dict[str, Any]:
    """Return the controller's set for a credential. :param texts: certificate and key. :param fields: of both files."""
    certificate = file_entry("usercert.pem", texts[0], observe=True, **fields)
    key = file_entry("userkey.pem", texts[1], secret=True, **fields)
    entries = [certificate, key, {"path": ".", "state": "directory", "mode": "0700"}]
    return {"name": name, "owner": owner, "directory": directory, "entries": entries}


def removal_set(name: str, owner: str | None, directory: str, **fields: Any) -> dict[str, Any]:
    """Return the set that removes a credential."""
    entries = [{"path": path, "state": "absent", **fields} for path in ("usercert.pem", "userkey.pem")]
    return {"name": name, "owner": owner, "directory": directory, "entries": entries}
