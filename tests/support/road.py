# SPDX-License-Identifier: GPL-3.0-or-later
"""Count how often control changes file on the way of one archive, from the task to the archive's reader.

The script places one archive in a run without caches, and follows it into the process that opens it. It stops when
``pkcs12.load`` is called. A change of file is a call from a function of one file of this collection to a function of
another file of it. A step is a change of file, or the return from one. Code outside of the collection does not count.

Usage: PYTHONPATH=build/collections python tests/support/road.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from ansible import constants as C

from ansible_collections.grid.security.plugins.action.pkcs12_pem import ActionModule
from ansible_collections.grid.security.tests.support import pki

_PLUGINS = str(Path(sys.modules[ActionModule.__module__].__file__ or "").parents[1]) + os.sep
_END = (f"{_PLUGINS}module_utils/_credential/pkcs12.py", "load")


class _Action(ActionModule):  # type: ignore[misc]  # ansible's own class has no types
    """The action without ansible's part: it finds every file, and has no node."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._task = SimpleNamespace(args=arguments, check_mode=False, diff=False)
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=""))
        self.task_vars = {"inventory_hostname": "node"}
        self._is_prepared = True

    def _find_needle(self, _directory: str, needle: str) -> str:
        return needle


class _Follower:
    """Notes each change of file. :ivar steps: changes and returns, each as "from → to"."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.steps: list[str] = []
        self.is_at_end = False
        self._lock = threading.Lock()  # a cache is read in a thread

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self.is_at_end or event not in ("call", "return") or not _is_ours(frame):
            return
        caller = _caller(frame)
        if caller is None or caller.f_code.co_filename == frame.f_code.co_filename:
            return
        with self._lock:
            pair = [caller, frame] if event == "call" else [frame, caller]
            step = " → ".join(_told(one) for one in pair)
            self.steps.append(step)
            if event == "call":
                self.changes.append(step)
        if (frame.f_code.co_filename, frame.f_code.co_name) == _END:
            self.is_at_end = True
            self._report()

    def _report(self) -> None:
        files = {part.split(":")[0] for step in self.steps for part in step.split(" → ")}
        for step in self.steps:
            print(step)
        print(f"{len(self.changes)} changes of file, {len(self.steps)} steps, {len(files)} files")
        sys.stdout.flush()


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_PLUGINS) and frame.f_code.co_name not in ("<module>", "<lambda>")


def _caller(frame: FrameType) -> FrameType | None:
    """Return the nearest caller of this collection; None if code is imported meanwhile."""
    caller = frame.f_back
    while caller is not None and not caller.f_code.co_filename.startswith(_PLUGINS):
        caller = caller.f_back
    return None if caller is not None and caller.f_code.co_name == "<module>" else caller


def _told(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename.removeprefix(_PLUGINS)}:{frame.f_code.co_name}"


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        archive = Path(directory, "alice.p12")
        archive.write_bytes(pki.issue().archive())
        C.DEFAULT_LOCAL_TMP, C.ANSIBLE_HOME = directory, f"{directory}/home"
        own = {"src": str(archive), "owner": "alice", "passphrase": "import", "privatekey_passphrase": "store"}
        action = _Action({**own, "kdf_iterations": 1000})
        follower = _Follower()
        threading.setprofile(follower)
        sys.setprofile(follower)
        try:
            action.perform()
        except AttributeError:  # there is no node to ask
            pass
        finally:
            sys.setprofile(None)


if __name__ == "__main__":
    main()
