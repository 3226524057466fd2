# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffs that a person can read, in time that a person waits."""

from __future__ import annotations

import time

from ansible_collections.grid.security.plugins.module_utils._files import diffs


def test_lines_that_differ() -> None:
    shown = "".join(diffs.unified("one\ntwo", "one\nthree\n", "/etc/file"))
    assert shown == "--- /etc/file\n+++ /etc/file\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n"


def test_what_others_wrote_cannot_upset_a_terminal() -> None:
    assert list(diffs.unified("\x1b[2J\tgone", "", "/etc/file"))[-1] == "-\\x1b[2J\tgone\n"


def test_long_texts_are_not_compared() -> None:
    lines = [f"{number}\n" for number in range(100_000)]
    start = time.process_time()
    shown = "".join(diffs.unified("".join(lines), "".join(lines[::2]), "/etc/file"))
    assert shown == "# /etc/file: 100000 lines become 50000, too many to be compared\n"
    assert time.process_time() - start < 1
