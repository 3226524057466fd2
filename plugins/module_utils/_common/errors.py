# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception of the collection: a message for a person, and an error code for code and tests."""

from __future__ import annotations

__all__ = ["GridSecurityError", "readable"]

_MOST = 4000  # characters


def readable(text: str) -> str:
    """``text`` as it may be printed: what somebody else's file made it quote may be anything, of any length."""
    if len(text) > _MOST:
        half = _MOST // 2
        text = f"{text[:half]} [{len(text) - _MOST} characters left out] {text[-half:]}"
    return "".join(one if one.isprintable() or one in "\n\t" else repr(one)[1:-1] for one in text)


class GridSecurityError(Exception):
    """What went wrong, in one message that names the thing, the cause and the remedy.

    :param error_code: a short stable identifier such as ``wrong_passphrase``; results carry it beside the message.
    :param message: what a user reads. It never holds a passphrase, a key or other secret content; see :func:`readable`.
    """

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(readable(message))
        self.error_code = error_code

    @property
    def message(self) -> str:
        return str(self.args[0])
