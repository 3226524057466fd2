# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching from servers that may be slow, large or gone: each request has a time and a size that it cannot exceed.

Ansible's ``open_url`` installs its opener for the whole process, so it is not for several threads at once, and its
timeout starts anew with each byte that drips in.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

__all__ = ["FetchError", "fetch"]

_CHUNK = 1 << 16  # bytes


class FetchError(Exception):
    """Why nothing came, in words that fit behind the URL."""


def fetch(url: str, largest: int, timeout: float, http_proxy: str | None, validate_certs: bool) -> bytes:
    """What ``url`` (http or https) answers.

    :param largest: bytes. :param timeout: seconds for everything. :param http_proxy: instead of the environment's.
    :raises FetchError: it cannot be fetched, is too large, or takes too long.
    """
    if not url.startswith(("http://", "https://")):
        raise FetchError("is neither http nor https, which is all that is fetched here")
    deadline = time.monotonic() + timeout
    try:
        with _opened(url, timeout, deadline, http_proxy, validate_certs) as answer:
            return _read(answer, largest, deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline or isinstance(getattr(error, "reason", error), TimeoutError):
            raise FetchError(f"took longer than {timeout:g} s") from error
        raise FetchError(f"cannot be fetched: {_explained(error)}") from error


def _read(answer: http.client.HTTPResponse, largest: int, deadline: float) -> bytes:
    data = bytearray()
    while chunk := answer.read1(_CHUNK):
        data += chunk
        if len(data) > largest:
            raise FetchError(f"is larger than {largest >> 20} MiB")
        if time.monotonic() >= deadline:
            raise TimeoutError
    return bytes(data)


def _explained(error: Exception) -> str:
    """HTTPError says its status, other errors of urllib wrap the one that says what happened."""
    cause = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
    return str(cause) or type(cause).__name__


@contextlib.contextmanager
def _opened(url: str, timeout: float, deadline: float, http_proxy: str | None, validate_certs: bool) -> Iterator[Any]:
    context = ssl.create_default_context()
    if not validate_certs:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxies = {"http": http_proxy, "https": http_proxy} if http_proxy else None
    web = _Web(deadline, context)
    watchdog = threading.Timer(timeout, web.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        with _opener(urllib.request.ProxyHandler(proxies), web).open(url, timeout=timeout) as answer:
            yield answer
    finally:
        watchdog.cancel()


def _opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Without the handlers for files and ftp that others come with."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "grid.security")]
    for handler in (
        *handlers,
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _Web(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """http and https over connections that it remembers, so that they can be cut while headers are awaited."""

    def __init__(self, deadline: float, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline = deadline
        self._made: list[http.client.HTTPConnection] = []

    def do_open(self, http_class: Any, req: Any, **arguments: Any) -> Any:
        def connect(*positional: Any, **named: Any) -> http.client.HTTPConnection:
            if time.monotonic() >= self._deadline:  # redirected once too often
                raise TimeoutError
            made: http.client.HTTPConnection = http_class(*positional, **named)
            self._made.append(made)
            return made

        return super().do_open(connect, req, **arguments)  # type: ignore[arg-type]

    def cut(self) -> None:
        for connection in self._made:
            with contextlib.suppress(OSError, AttributeError):  # not connected yet, or no more
                connection.sock.shutdown(socket.SHUT_RDWR)
