# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between processes."""

from __future__ import annotations

import time

import pytest

from ansible_collections.grid.security.plugins.module_utils._files.channel import Channel


def test_the_time_limit_holds_for_whoever_always_has_one_more_byte() -> None:
    ours, theirs = Channel.pair()
    with ours, theirs:
        theirs.send_number(12345678)
        with pytest.raises(TimeoutError):
            ours.receive_number(time.monotonic() - 1)
