# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the exception of the collection: a message for users, and an error code for code and tests."""

from __future__ import annotations

__all__ = ["GridSecurityError", "readable"]

_MOST = 4000  # characters


def readable(text: str) -> str:
    """Return ``text`` in a printable form of limited length. It may quote a file that somebody else wrote."""
    if len(text) > _MOST:
        half = _MOST // 2
        text = f"{text[:half]} [{len(text) - _MOST} characters left out] {text[-half:]}"
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in text)


class GridSecurityError(Exception):
    """Report an error in one message that names the thing, the cause and the remedy.

    :param error_code: a short stable identifier such as ``wrong_passphrase``. Results have it beside the message.
    :param message: a text for users. It never contains a passphrase, a key or other secrets. See :func:`readable`.
    """

    def __init__(self, error_code: str, message: str) -> None:
        super().__init__(readable(message))
        self.error_code = error_code

    @property
    def message(self) -> str:
        return str(self.args[0])
