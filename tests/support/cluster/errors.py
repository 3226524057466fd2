# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the error with a message for users."""

from __future__ import annotations

__all__ = ["ClusterError"]


class ClusterError(Exception):
    """Report an error in a message that names the thing, the cause and the remedy."""
