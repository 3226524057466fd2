# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fork workers from a process that holds nobody's bytes.

For each job the engine gives the end of a fresh channel to the fork server. The fork server forks a worker, and answers
with its process id. Job and result go between engine and worker only.

If the memory of the engine holds anything that is for one owner only, contents or passphrases, the fork server is a new
interpreter: a fork would inherit that memory. The new interpreter finds the code by :mod:`import_path`.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._files import child, import_path, worker
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Handler

__all__ = ["ForkServer", "fresh_servers", "serve_forever"]

_NO_PROCESS = 0  # in place of a process id
_START = 30.0  # seconds for the start of a fork server, at most


class ForkServer:
    """The engine's side of a fork server for one handler."""

    def __init__(self, handler: Handler, fresh: bool) -> None:
        """Start the process. :param fresh: whether it is a new interpreter.

        :raises OSError, MemoryError, GridSecurityError: it cannot be started.
        """
        self._control, end = Channel.pair()
        with end:
            try:
                self._pid = _execute(handler, end) if fresh else _fork(handler, end)
            except BaseException:
                self._control.close()
                raise

    @contextlib.contextmanager
    def worker(self) -> Iterator[worker.Worker | None]:
        """Start a worker; None if the fork server cannot start one.

        :raises OSError, EOFError: the fork server is lost, or there are no descriptors left.
        """
        channel, end = Channel.pair()
        with channel:
            with end:
                self._control.send_end(end)
            pid = self._control.receive_number(time.monotonic() + _START)
            yield None if pid == _NO_PROCESS else worker.Worker(pid, channel)

    def dismiss(self) -> None:
        """End the process. It ends by itself when its channel is closed."""
        self._control.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)


fresh_servers: dict[Handler, ForkServer] = {}  # kept until this process ends: a start takes longer than most jobs


@atexit.register
def _dismiss_fresh_servers() -> None:
    for server in fresh_servers.values():
        server.dismiss()


def _fork(handler: Handler, end: Channel) -> int:
    pid = os.fork()
    if pid == 0:
        child.run_and_exit(lambda: _serve(end, handler))
    return pid


def _execute(handler: Handler, end: Channel) -> int:
    os.set_inheritable(end.fileno(), True)
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    with import_path.for_new_interpreter() as path:
        code = f"import sys; sys.path[:] = {path!r}; from {__name__} import serve_forever; serve_forever()"
        arguments = [sys.executable, "-I", "-c", code, str(end.fileno()), handler.__module__, handler.__name__]
        # Not run_command: it waits for the end, and closes the socket.
        # pylint: disable-next=ansible-bad-function
        return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=[no_input])


def serve_forever() -> None:
    """Run a fork server in a new interpreter. ``argv`` has the socket's number, the handler's module and its name."""
    module, name = sys.argv[2:4]
    handler = getattr(__import__(module, fromlist=[name]), name)
    os.set_inheritable(int(sys.argv[1]), False)
    with Channel(socket.socket(fileno=int(sys.argv[1]))) as control:
        child.run_and_exit(lambda: _serve(control, handler))


def _serve(control: Channel, handler: Handler) -> None:
    """Fork a worker for each channel that the engine sends, until the engine closes its end."""
    child.prepare(control)
    while (channel := control.receive_end()) is not None:
        with channel:
            pid = _fork_worker(control, channel, handler)
        control.send_number(pid)


def _fork_worker(control: Channel, channel: Channel, handler: Handler) -> int:
    try:
        pid = os.fork()
    except OSError:
        return _NO_PROCESS
    if pid == 0:
        control.close()
        worker.serve(channel, handler)
    return pid
