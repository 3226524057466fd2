# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a single job in the sandbox."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["run"]


def run(job: sandbox.Job) -> dict[str, Any]:
    """Run one job, and return the result of its work.

    :raises GridSecurityError: ``kdf_limit``: the work took too long; ``internal``; errors of the work itself.
    """
    (outcome,) = sandbox.run_all([job])
    if isinstance(outcome, GridSecurityError):
        raise outcome
    return outcome
