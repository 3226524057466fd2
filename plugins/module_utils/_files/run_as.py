# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Do jobs with the rights of their owners.

A home directory is its user's territory, so the engine never touches it as root. There are three kinds of processes:

- A *worker* (:mod:`worker`) drops to the owner for good and does one job.
- A *fork server* (:mod:`fork_server`) starts workers. It holds nobody's bytes.
- A *probe* (:mod:`probe`) compares for all owners, one after the other, and changes nothing.

They talk with the engine over a :mod:`channel`. :mod:`answers` checks each result.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import answers, failures, fork_server
from ansible_collections.grid.security.plugins.module_utils._files.jobs import UNFINISHED, Handler, Job, guarded
from ansible_collections.grid.security.plugins.module_utils._files.probe import Probe

__all__ = ["Runner", "run_job"]


def run_job(handler: Handler, job: Job, secret: bool) -> dict[str, Any]:
    """Run one job; see :class:`Runner`."""
    with Runner(handler, secret) as runner:
        return runner.run(job)


class Runner:
    """Run jobs for one handler. A job that fails, is killed or exceeds its limit does not stop the others."""

    def __init__(self, handler: Handler, secret: bool) -> None:
        """:param secret: this process's memory holds what is for one owner only. Workers must not descend from it."""
        self._handler = handler
        self._secret = secret
        self._servers: dict[Handler, fork_server.ForkServer] = fork_server.fresh_servers if secret else {}
        self._probe: Probe | None = None

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_error: object) -> None:
        self._dismiss_probe()
        if not self._secret:
            self._dismiss_server()

    def run(self, job: Job) -> dict[str, Any]:
        """Return what the handler returns with the rights of the job's owner, or a failure."""
        if job.account.is_caller and not job.apart:
            return _run_here(self._handler, job)
        if os.geteuid() != 0:
            return failures.not_root(job.account)
        if job.probe_argument is not None:
            result = self._run_in_probe(job)
            if _is_final(result):
                return result
        return self._run_in_worker(job)

    def _run_in_probe(self, job: Job) -> dict[str, Any]:
        try:
            self._probe = self._probe or Probe(self._handler)
            result = self._probe.run(job)
        except (OSError, MemoryError) as error:
            result = _not_started(job, error)
        if result.get("failed"):  # the process may hang; the next job gets another probe
            self._dismiss_probe()
        return result

    def _run_in_worker(self, job: Job) -> dict[str, Any]:
        try:
            if self._handler not in self._servers:
                self._servers[self._handler] = fork_server.ForkServer(self._handler, fresh=self._secret)
            with self._servers[self._handler].worker() as worker:
                return worker.run(job) if worker else failures.no_process(job.account, "it cannot be started")
        except (OSError, EOFError, MemoryError, GridSecurityError) as error:
            self._dismiss_server()  # the next job gets another fork server
            return _not_started(job, error)

    def _dismiss_probe(self) -> None:
        if self._probe is not None:
            self._probe.dismiss()
            self._probe = None

    def _dismiss_server(self) -> None:
        if self._handler in self._servers:
            self._servers.pop(self._handler).dismiss()


def _run_here(handler: Handler, job: Job) -> dict[str, Any]:
    result = guarded(handler, job.argument)
    try:
        return answers.checked(result, job.most, job.shape)
    except answers.AnswerError as error:
        return failures.bad_answer(job.account, error)


def _is_final(result: dict[str, Any]) -> bool:
    """Tell whether the probe's result is the result of the job. A worker tries again, but not after a timeout."""
    if result.get("failed"):
        return bool(result["error_code"] == "timeout")
    return not result.get(UNFINISHED)


def _not_started(job: Job, error: Exception) -> dict[str, Any]:
    """Return the failure of a job whose process could not be started, or was lost before the job."""
    if isinstance(error, GridSecurityError):
        return failures.of_error(error)
    if isinstance(error, MemoryError):
        return failures.no_memory()
    if isinstance(error, (EOFError, ConnectionError)):
        return failures.killed(job.account)
    return failures.no_process(job.account, str(getattr(error, "strerror", None) or error))
