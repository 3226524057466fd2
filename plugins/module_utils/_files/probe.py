# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare for all owners in one process, which takes on the rights of one owner after the other.

Most runs find nothing to do, and starting a process costs ten times as much as the check. The process stays root's
(real and saved user id), so nobody else can signal or trace it. It changes nothing; a worker does.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import child, jobs
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel

__all__ = ["Probe"]


class Probe:
    """The engine's side of a probe for one handler."""

    def __init__(self, handler: jobs.Handler) -> None:
        """Start the process. :raises OSError, MemoryError: it cannot be started."""
        self._channel, end = Channel.pair()
        with end:
            try:
                self._pid = os.fork()
            except BaseException:
                self._channel.close()
                raise
            if self._pid == 0:
                child.run_and_exit(lambda: _serve(end, handler))

    def run(self, job: jobs.Job) -> dict[str, Any]:
        """Return the result of the handler for the ``probe_argument`` of the job, or a failure."""
        return jobs.ask(self._channel, job, job.probe_argument or {})

    def dismiss(self) -> None:
        """End the process. Do not wait for its end: it may hang in a user's file system."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._channel.close()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, os.WNOHANG)


def _serve(channel: Channel, handler: jobs.Handler) -> None:
    """Do jobs until the engine closes its end, which raises EOFError."""
    child.prepare(channel)
    while True:
        child.do_job(channel, handler, child.owner_for_now)
