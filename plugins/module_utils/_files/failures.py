# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the results of jobs that failed."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files.accounts import Account
from ansible_collections.grid.security.plugins.module_utils._files.os_errors import WHOLE

__all__ = ["bad_answer", "failure", "killed", "no_memory", "no_process", "no_rights", "not_root", "of_error", "overrun"]


def failure(error_code: str, message: str) -> dict[str, Any]:
    """Return the result of a job that failed."""
    return {"failed": True, "error_code": error_code, "msg": message}


def of_error(error: GridSecurityError) -> dict[str, Any]:
    """Return the failure for an error that has a code."""
    return failure(error.error_code, error.message)


def not_root(account: Account) -> dict[str, Any]:
    """Return the failure of a job for another user in a process that is not root."""
    return failure("not_root", f"only root can act as {account.name}: run the task with become: true.")


def overrun(account: Account, limit: float) -> dict[str, Any]:
    """Return the failure of a job that exceeded its time limit."""
    return failure(
        "timeout",
        f"the process working as {account.name} did not finish in {limit:g} s and was stopped. A file system that"
        " hangs, or somebody stopping the process, does that."
        f" Look at the processes and mounts of {account.name}, then run again.",
    )


def killed(account: Account) -> dict[str, Any]:
    """Return the failure of a job whose process ended without an answer."""
    return failure(
        "killed", f"the process working as {account.name} was killed before it finished. {WHOLE}; run again."
    )


def no_process(account: Account, cause: str) -> dict[str, Any]:
    """Return the failure of a job for which no process could be started, or take on the account's rights."""
    return failure(
        "no_process",
        f"no process can work as {account.name}: {cause}. {WHOLE}."
        " Look at memory and at the limits on processes and open files, then run again.",
    )


def no_rights(account: Account, error: OSError) -> dict[str, Any]:
    """Return the failure of a process that could not take on the account's rights, or give them back."""
    return {**no_process(account, str(error.strerror)), "error_code": "os_error"}


def bad_answer(account: Account, problem: Exception) -> dict[str, Any]:
    """Return the failure of a job whose answer is too large or malformed."""
    return failure(
        "bad_answer",
        f"the process working as {account.name} answered with {problem}. Look for odd files in the directories that the"
        " task handles, and remove them; then run again.",
    )


def no_memory() -> dict[str, Any]:
    """Return the failure of a job for which there is not enough memory."""
    return failure(
        "no_memory",
        f"the node has not enough memory. {WHOLE}. Free some, or raise the limit on it, then run again.",
    )
