# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of jobs that failed."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._files import accounts, failures

ALICE = accounts.Account("alice", 1, 1, "/home/alice")


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (failures.not_root(ALICE), "not_root"),
        (failures.overrun(ALICE, 1.5), "timeout"),
        (failures.killed(ALICE), "killed"),
        (failures.no_process(ALICE, "no memory"), "no_process"),
        (failures.no_rights(ALICE, PermissionError(1, "not permitted")), "os_error"),
        (failures.bad_answer(ALICE, ValueError("malformed data")), "bad_answer"),
    ],
)
def test_failures_name_the_user_whose_job_failed(failure: dict[str, object], code: str) -> None:
    assert (failure["failed"], failure["error_code"]) == (True, code)
    assert " alice" in str(failure["msg"])
