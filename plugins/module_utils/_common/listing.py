# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write lists in messages, with a limited number of items."""

from __future__ import annotations

__all__ = ["lines", "listed"]


def listed(names: list[str], most: int = 10) -> str:
    """Return the first ``most`` names, separated by commas, and the number of further names."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def lines(title: str, items: list[str], most: int = 20) -> str:
    """Return a title, the first ``most`` items on lines below it, and the number of further items."""
    more = [f"and {len(items) - most} more"] if len(items) > most else []
    return "\n- ".join([f"{title}:", *items[:most], *more])
