# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do one job in a process that has the rights of the job's owner for good.

The owner may stop or kill the worker, or let a file system hang. So the engine kills it at its time limit, and no
worker has the bytes of another owner.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import child, jobs
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel

__all__ = ["Worker", "serve"]


class Worker:
    """The engine's side of a worker."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self._pid = pid
        self._channel = channel

    def run(self, job: jobs.Job) -> dict[str, Any]:
        """Have the worker do the job, and end it. Return the result or a failure."""
        try:
            return jobs.ask(self._channel, job, job.argument)
        finally:
            # The fork server reaps no worker before it ends, so the id cannot belong to another process.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)


def serve(channel: Channel, handler: jobs.Handler) -> None:
    """Do one job in this process and exit."""
    child.do_job(channel, handler, child.owner_for_good)
    channel.close()
    os._exit(0)
