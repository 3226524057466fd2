# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person is told when something cannot be done."""

from __future__ import annotations

__all__ = ["ClusterError"]


class ClusterError(Exception):
    """A message that names the thing, the cause and the remedy."""
