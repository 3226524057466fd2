# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for tests of the engine."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    return tmp_path.resolve()
