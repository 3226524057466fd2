# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send messages between the engine and its processes, over Unix socket pairs."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._files import answers

__all__ = ["Channel"]

_LENGTH_BYTES = 8  # in front of each message


class Channel:
    """One end of a Unix socket pair. A message is JSON behind its length.

    A deadline is a time of the monotonic clock; None waits without a limit.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Return the two ends of a new channel."""
        first, second = socket.socketpair()
        return cls(first), cls(second)

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close this end. The other end then reads EOF."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor of this end."""
        return self._socket.fileno()

    def send(self, value: dict[str, Any], deadline: float | None = None) -> None:
        """Send one message. :raises TimeoutError: the deadline has passed."""
        data = json.dumps(value).encode()
        self._set_limit(deadline)
        self._socket.sendall(len(data).to_bytes(_LENGTH_BYTES, "big") + data)

    def receive(self, deadline: float | None = None, most: int | None = None) -> bytes:
        """Return one message.

        :param most: the largest size in bytes. A user may control the process at the other end.
        :raises AnswerError: the message is larger.
        :raises EOFError: the other end is closed.
        :raises TimeoutError: the deadline has passed.
        """
        size = self.receive_number(deadline)
        if most is not None and size > most:
            raise answers.AnswerError(f"more than {most} characters")
        return self._receive(size, deadline)

    def send_number(self, number: int) -> None:
        """Send a number, such as a process id."""
        self._socket.sendall(number.to_bytes(_LENGTH_BYTES, "big"))

    def receive_number(self, deadline: float | None) -> int:
        """Return a number of :meth:`send_number`."""
        return int.from_bytes(self._receive(_LENGTH_BYTES, deadline), "big")

    def send_end(self, end: Channel) -> None:
        """Give the end of another channel to the process at the other end (``SCM_RIGHTS``)."""
        socket.send_fds(self._socket, [b"+"], [end.fileno()])

    def receive_end(self) -> Channel | None:
        """Return the end of :meth:`send_end`, or None if the other end is closed."""
        message, descriptors, _flags, _address = socket.recv_fds(self._socket, 1, 1)
        return Channel(socket.socket(fileno=descriptors[0])) if message else None

    def _receive(self, size: int, deadline: float | None) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._set_limit(deadline)
            part = self._socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return bytes(data)

    def _set_limit(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
