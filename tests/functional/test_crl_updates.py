# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the role crl_updates with nodes that fetch, on this machine in check mode. Real nodes show its changes."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.path.exists("/usr/sbin/fetch-crl"), reason="fetch-crl is installed here")


def test_check_mode_without_fetch_crl(site: Any) -> None:
    """Check that the role does not use the package manager, whose modules may lack their library."""
    role = {"role": "grid.security.crl_updates", "crl_updates_path": str(site.root / "nowhere")}
    shown = site.run_play({"roles": [role]}, "--check", "--diff")
    assert shown.returncode == 0, shown.stdout
    assert "AnsiballZ_apt" not in shown.stdout
    assert "fetch-crl would be installed" in shown.stdout
    assert "failed=0" in shown.stdout
