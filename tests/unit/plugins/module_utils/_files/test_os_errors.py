# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages about errors of the operating system."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import os_errors


@pytest.mark.parametrize(("state", "code"), [(os_errors.INTACT, "os_error"), ("Half is done.", "incomplete")])
def test_the_code_says_whether_something_was_changed(state: str, code: str) -> None:
    with pytest.raises(GridSecurityError) as raised, os_errors.explained("/x", "written", state):
        raise OSError(28, "No space left on device")
    assert raised.value.error_code == code
    assert raised.value.message.startswith(f"/x cannot be written: No space left on device. {state} Fix the cause")
