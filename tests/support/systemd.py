# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace systemd by a file: a ``systemctl`` for machines where no systemd runs.

It has the commands that the collection and ``ansible.builtin.systemd_service`` use: show, start, restart, reload. This
file is the ``systemctl`` if it is executed. The units are in ``SYSTEMD_STATE``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["Systemd"]


class Systemd:
    """Hold the units of a node, below a directory.

    :param environment: what a process needs to find this ``systemctl`` and no other.
    """

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self._state, self._calls = root / "units.json", root / "calls"
        self._calls.touch()
        self._state.write_text("{}")
        command = root / "systemctl"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} -I {Path(__file__).resolve()} "$@"\n')
        command.chmod(0o755)
        self.environment = {"SYSTEMD_STATE": str(self._state), "PATH": f"{root}{os.pathsep}{os.environ['PATH']}"}

    def start(self, name: str, **settings: Any) -> None:
        """Add a unit that starts now.

        :param settings: ``failures``, that many of its next starts and reloads fail; ``kills``, the next one kills
            the run of ansible before anything is done.
        """
        units = json.loads(self._state.read_text())
        units[name] = {"ActiveState": "active", **_stamps("InactiveExit", "ActiveEnter", "StateChange"), **settings}
        self._state.write_text(json.dumps(units))

    def set(self, name: str, **settings: Any) -> None:
        """Change a unit."""
        units = json.loads(self._state.read_text())
        units[name].update(settings)
        self._state.write_text(json.dumps(units))

    def calls(self) -> list[str]:
        """Return the calls since this method was called last, without ``show``."""
        lines = self._calls.read_text().splitlines()
        self._calls.write_text("")
        return [line for line in lines if not line.startswith("show")]


def _stamps(*names: str) -> dict[str, str]:
    now = time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime())
    monotonic = str(time.monotonic_ns() // 1000)
    return {
        f"{name}Timestamp{clock}": value for name in names for clock, value in (("", now), ("Monotonic", monotonic))
    }


def main(command: str, arguments: list[str]) -> int:
    """Do a call of ``systemctl``."""
    state = Path(os.environ["SYSTEMD_STATE"])
    units = json.loads(state.read_text())
    names = [one.strip("'") for one in arguments if not one.startswith("-")]
    with open(state.with_name("calls"), "a") as calls:
        print(command, *names, file=calls)
    if command == "show":
        print("\n\n".join(_show(name, units.get(name)) for name in names))
        return 0
    (name,) = names
    code = _begin(command, units[name])
    state.write_text(json.dumps(units))
    return code


def _show(name: str, unit: dict[str, Any] | None) -> str:
    own = {"LoadState": "not-found", "ActiveState": "inactive"} if unit is None else {"LoadState": "loaded", **unit}
    names = {"Id": f"{name}.service", "Names": f"{name}.service"}
    return "\n".join(f"{key}={value}" for key, value in {**names, **own}.items())


def _begin(command: str, unit: dict[str, Any]) -> int:
    if unit.pop("kills", False):
        _kill_ansible()
        return 1
    failures = unit.get("failures", 0)
    unit["failures"] = max(failures - 1, 0)
    unit["ReloadResult"] = "exit-code" if failures else "success"
    stamps = ["StateChange"] if command == "reload" else ["InactiveExit", "ActiveEnter", "StateChange"]
    unit.update(_stamps(*stamps))
    if command != "reload":
        unit["ActiveState"] = "failed" if failures else "active"
    return 1 if failures else 0


def _kill_ansible() -> None:
    """Kill all ancestors of this process that are processes of ansible."""
    process = os.getppid()
    while process > 1:
        words = Path(f"/proc/{process}/cmdline").read_bytes()
        above = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        if b"ansible-playbook" in words:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        process = above


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
