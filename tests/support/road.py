# SPDX-License-Identifier: GPL-3.0-or-later
"""Count how often control changes file on the way of one archive, from the task to the archive's reader.

The script places one archive in a run with empty caches, and follows it into the process that opens it. It stops when
``pkcs12.load`` is called. A change of file is a call from a function in one file of the road to a function in another
file of the road. Returns and constructors of dataclasses (``__post_init__``) do not count. The road is all that a
reader has to know about credentials: both packages ``_credential`` without the files that read the formats, the two
caches, and the check of chains. What all packages use (``_common``, ``_files``, ``_x509``, the base class of actions)
is not part of it.

Usage: ``make road``
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from ansible import constants as C

from ansible_collections.grid.security.plugins.action.pkcs12_pem import ActionModule
from ansible_collections.grid.security.tests.support import pki

_PLUGINS = Path(sys.modules[ActionModule.__module__].__file__ or "").parents[1]
_PACKAGES = ("module_utils/_credential", "plugin_utils/_credential")
_FORMATS = ("pkcs12_*.py", "kdf.py")
_OTHERS = ("_action/run_cache.py", "_action/persistent_cache.py", "_trust/trusted_cas.py")
_OF_FORMATS = {path for pattern in _FORMATS for path in _PLUGINS.glob(f"{_PACKAGES[0]}/{pattern}")}
_OF_PACKAGES = {path for package in _PACKAGES for path in _PLUGINS.glob(f"{package}/*.py")}
_ROAD = {*map(str, _OF_PACKAGES - _OF_FORMATS), *(str(_PLUGINS / "plugin_utils" / name) for name in _OTHERS)}
_END = (str(_PLUGINS / "module_utils/_credential/pkcs12.py"), "load")


class _Action(ActionModule):  # type: ignore[misc]  # ansible's own class has no types
    """The action without ansible's part: it finds every file, and has no node."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        self._task = SimpleNamespace(args=arguments, check_mode=False, diff=False)
        self._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=""))
        self.task_vars = {"inventory_hostname": "node"}
        self._is_prepared = True

    def find(self, src: str) -> str:
        return src


class _Follower:
    """Prints each change of file, and the sums at the end of the road."""

    def __init__(self) -> None:
        self._number = 0
        self._files: set[str] = set()
        self._is_at_end = False
        self._lock = threading.Lock()  # a cache is searched in a thread

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self._is_at_end or event != "call" or not _is_on_road(frame):
            return
        caller = _caller(frame)
        if caller is None or caller.f_code.co_filename == frame.f_code.co_filename:
            return
        with self._lock:
            self._number += 1
            self._files.update(one.f_code.co_filename for one in (caller, frame))
            print(f"{self._number:3} {_told(caller)} → {_told(frame)}", flush=True)
        if (frame.f_code.co_filename, frame.f_code.co_name) == _END:
            self._is_at_end = True
            print(
                f"{self._number} changes of file in {len(self._files)} files; the last one opens the archive",
                flush=True,
            )


def _is_on_road(frame: FrameType) -> bool:
    return frame.f_code.co_filename in _ROAD and frame.f_code.co_name not in ("<module>", "<lambda>", "__post_init__")


def _caller(frame: FrameType) -> FrameType | None:
    """Return the caller on the road. None: there is none, or code is imported meanwhile."""
    caller = frame.f_back
    while caller is not None and not caller.f_code.co_filename.startswith(str(_PLUGINS)):
        caller = caller.f_back
    if caller is None or caller.f_code.co_name == "<module>" or caller.f_code.co_filename not in _ROAD:
        return None
    return caller


def _told(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).relative_to(_PLUGINS)}:{frame.f_code.co_name}"


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
