# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages stay fit to be read, whatever somebody else's file made them quote."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Müller → é\n\tnext line", "Müller → é\n\tnext line"),
        ("\x1b[2Jgone\r\0", r"\x1b[2Jgone\r\x00"),
        ("back\u202ewards\udc80", r"back\u202ewards\udc80"),
    ],
)
def test_nothing_can_upset_a_terminal_or_a_log(message: str, shown: str) -> None:
    assert GridSecurityError("kind", message).message == shown


def test_length_is_bounded() -> None:
    message = GridSecurityError("kind", "start" + "x" * 1_000_000 + "end").message
    assert len(message) < 10_000
    assert message.startswith("startx")
    assert message.endswith("xend")
    assert "characters left out" in message
