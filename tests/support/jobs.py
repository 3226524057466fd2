# SPDX-License-Identifier: GPL-3.0-or-later
"""Handlers and jobs with the rights of other users."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import accounts
from ansible_collections.grid.security.plugins.module_utils._files.jobs import Handler, Job
from ansible_collections.grid.security.plugins.module_utils._files.run_as import Runner

__all__ = ["account", "identity", "run_jobs"]


def account() -> accounts.Account:
    """Return an account that every machine has."""
    return accounts.find_account("nobody")


def run_jobs(handler: Handler, jobs: list[Job], secret: bool) -> list[dict[str, Any]]:
    """Return the result of each job."""
    with Runner(handler, secret) as runner:
        return [runner.run(job) for job in jobs]


def identity(_argument: dict[str, Any]) -> dict[str, Any]:
    """Return the ids of the process that does the job."""
    # No encoding but UTF-8: others would be imported now, from a place that this user may not be able to read.
    with open("/proc/self/status", encoding="utf-8") as stream:
        lines = dict(line.split(":\t", 1) for line in stream if ":\t" in line)
    return {name: lines[name].split() for name in ("Uid", "Gid", "Groups")}
