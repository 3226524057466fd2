# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define jobs for owners, and have a process do a job over a channel."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import answers, failures
from ansible_collections.grid.security.plugins.module_utils._files.accounts import Account
from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel

__all__ = ["UNFINISHED", "Handler", "Job", "ask", "guarded"]

Handler = Callable[[dict[str, Any]], dict[str, Any]]

UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Job:
    """Work for one owner: a JSON-serializable argument for the handler.

    :param limit: the seconds that a process may take.
    :param apart: use another process even if this process has the rights, because the job may hang.
    :param most: the largest number of characters of the result.
    :param shape: the shape of the values that the result may have; see :func:`answers.checked`.
    :param probe_argument: an argument with which the handler changes nothing. If the result of the probe has
        :data:`UNFINISHED`, or is a failure, a worker does the job. Otherwise it is the result of the job.
    """

    account: Account
    argument: dict[str, Any]
    limit: float
    apart: bool = False
    most: int = answers.USUAL
    shape: dict[str, answers.Shape] | None = None
    probe_argument: dict[str, Any] | None = None


def guarded(handler: Handler, argument: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the handler, or a failure."""
    try:
        return handler(argument)
    except GridSecurityError as error:
        return failures.of_error(error)
    except OSError as error:
        cause = f"{error.filename or 'a file'}: {error.strerror}"
        return failures.failure("os_error", f"{cause}. Fix the cause, then run again.")
    except MemoryError:
        return failures.no_memory()


def ask(channel: Channel, job: Job, argument: dict[str, Any]) -> dict[str, Any]:
    """Send a job to the process at the other end. Return its result, or a failure at the time limit.

    :param argument: of the job, or the job's ``probe_argument``.
    """
    deadline = time.monotonic() + job.limit
    try:
        channel.send({"account": vars(job.account), "argument": argument}, deadline)
        return answers.decode(channel.receive(deadline, job.most), job.most, job.shape)
    except answers.AnswerError as error:
        return failures.bad_answer(job.account, error)
    except TimeoutError:
        return failures.overrun(job.account, job.limit)
    except (EOFError, ConnectionError):
        return failures.killed(job.account)
