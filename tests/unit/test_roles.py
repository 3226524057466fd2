# SPDX-License-Identifier: GPL-3.0-or-later
"""Test how the roles of a node pass their variables to the module."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._node.node import PARTS

ROLES = Path(__file__).resolve().parents[2] / "roles"


@pytest.mark.parametrize("role", [part.role for part in PARTS])
def test_task_of_a_role_uses_no_filter(role: str) -> None:
    """Check the tasks for filters: at the first filter, Ansible loads all filters, again for each host."""
    text = (ROLES / role / "tasks/main.yml").read_text()
    assert "|" not in text, "write {{ variable or omit }} instead of default(omit, true)"
