# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch from servers that may be slow, unreachable or hostile, or send too much.

Each request has limits of time and size. A redirect to this machine or its links is followed only if the URL itself
leads there. Credentials are never sent.

Ansible's ``open_url`` does not fit: it reads netrc, its opener is shared by all threads, and its timeout starts anew
with each byte.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import readable

__all__ = ["FetchError", "fetch"]

_CHUNK = 1 << 16  # bytes
_MOST_QUOTED = 200  # characters
_NOWHERE = ipaddress.ip_network("0.0.0.0/8")  # Linux connects 0.0.0.0 to this machine


class FetchError(Exception):
    """The cause of a failure, in words that follow the URL. :param error_code: as of :exc:`GridSecurityError`."""

    def __init__(self, words: str, error_code: str = "not_fetched") -> None:
        super().__init__(words)
        self.error_code = error_code


def fetch(
    url: str,
    largest: int,
    timeout: float,
    http_proxy: str | None = None,
    validate_certs: bool = True,
    https_only: bool = False,
) -> bytes:
    """Return the body of the answer to ``url`` (http or https).

    :param largest: bytes. :param timeout: seconds for everything. :param http_proxy: instead of the environment's.
    :param https_only: whether http is refused, also after redirects.
    :raises FetchError: it cannot be fetched, is too large, or takes too long.
    """
    schemes = ("https",) if https_only else ("http", "https")
    _check_url(url, schemes)
    deadline = time.monotonic() + timeout
    try:
        with _opened(url, schemes, deadline, http_proxy, validate_certs) as answer:
            return _read(answer, largest, deadline)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline or isinstance(getattr(error, "reason", error), TimeoutError):
            raise FetchError(f"took longer than {timeout:g} s") from error
        raise FetchError(f"cannot be fetched: {_explained(error)}") from error


def _check_url(url: str, schemes: tuple[str, ...]) -> None:
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        if len(schemes) > 1:
            raise FetchError("is neither http nor https, and other URLs are not fetched", "not_https")
        raise FetchError("is not https, and other URLs are not fetched", "not_https")
    try:
        server = urllib.parse.urlsplit(url).netloc
    except ValueError as error:
        raise FetchError(f"is no URL: {_quoted(str(error))}") from error
    if "@" in server:
        raise FetchError("has a user name before its host, and no credentials are sent to servers")


def _read(answer: http.client.HTTPResponse, largest: int, deadline: float) -> bytes:
    data = bytearray()
    while chunk := answer.read1(_CHUNK):
        data += chunk
        if len(data) > largest:
            raise FetchError(f"is larger than {largest >> 20} MiB", "too_large")
        if time.monotonic() >= deadline:
            raise TimeoutError
    if time.monotonic() >= deadline:  # the connection was cut, which looks like the end of the answer
        raise TimeoutError
    return bytes(data)


def _explained(error: Exception) -> str:
    """Return the cause of an error. HTTPError has a status. Other errors of urllib wrap the real error."""
    cause = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
    return _quoted(str(cause)) or type(cause).__name__


def _quoted(text: str) -> str:
    """Return the printable start of a text from a server. A status line may have 64 KiB."""
    return readable(text[:_MOST_QUOTED])


@contextlib.contextmanager
def _opened(
    url: str, schemes: tuple[str, ...], deadline: float, http_proxy: str | None, validate_certs: bool
) -> Iterator[Any]:
    context = ssl.create_default_context()
    if not validate_certs:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    proxies = {"http": http_proxy, "https": http_proxy} if http_proxy else None
    web = _Web(deadline, context)
    timeout = deadline - time.monotonic()
    watchdog = threading.Timer(timeout, web.cut)
    watchdog.daemon = True
    watchdog.start()
    try:
        opener = _opener(urllib.request.ProxyHandler(proxies), web, _Redirects(schemes))
        with opener.open(url, timeout=timeout) as answer:
            yield answer
    finally:
        watchdog.cancel()


def _opener(*handlers: urllib.request.BaseHandler) -> urllib.request.OpenerDirector:
    """Return an opener without urllib's handlers for files, ftp and passwords."""
    opener = urllib.request.OpenerDirector()
    opener.addheaders = [("User-Agent", "grid.security")]
    for handler in (
        *handlers,
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects only to URLs that :func:`fetch` accepts."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self._schemes = schemes

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()  # urllib reads the body of a redirect, whatever its size
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        try:
            _check_url(newurl, self._schemes)
        except FetchError as error:
            raise FetchError(f"is redirected to {_quoted(newurl)}, which {error}", error.error_code) from None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Web(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Open connections for http and https, and close them when the time is over, even while headers are awaited.

    The address of the first connection decides whether redirects may lead to this machine and its links.
    """

    def __init__(self, deadline: float, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._deadline = deadline
        self._made: list[http.client.HTTPConnection] = []
        self._local_allowed = True  # for the server of the URL itself

    def do_open(self, http_class: Any, req: Any, **arguments: Any) -> Any:
        def connect(*positional: Any, **named: Any) -> http.client.HTTPConnection:
            made: http.client.HTTPConnection = http_class(*positional, **named)
            is_proxied = req.has_proxy() or bool(req._tunnel_host)
            opened = self._connect_to_proxy if is_proxied else self._connect
            made._create_connection = opened  # type: ignore[attr-defined]
            self._made.append(made)
            return made

        return super().do_open(connect, req, **arguments)  # type: ignore[arg-type]

    def _connect_to_proxy(self, server: tuple[str, int], *_timeout: Any) -> socket.socket:
        """Connect to the proxy of the site, at any address. The proxy resolves and judges the names of servers."""
        self._local_allowed = False
        return self._connected(server[0], _resolved(*server))

    def _connect(self, server: tuple[str, int], *_timeout: Any) -> socket.socket:
        """Resolve the name once, check the addresses, and connect to one of them."""
        found = _resolved(*server)
        allowed = found if self._local_allowed else [way for way in found if not _is_local(way[1][0])]
        if not allowed:
            raise FetchError(
                f"is redirected to {_quoted(server[0])} ({found[0][1][0]}), an address of this machine or its links, to"
                " which redirects are not followed"
            )
        connection = self._connected(server[0], allowed)
        self._local_allowed = self._local_allowed and _is_local(connection.getpeername()[0])
        return connection

    def _connected(self, host: str, found: list[tuple[int, Any]]) -> socket.socket:
        """Connect to the first address that answers. All addresses share the time that is left."""
        failure: OSError = OSError(f"{host} has no address")
        for number, (family, address) in enumerate(found):
            left = self._deadline - time.monotonic()
            if left <= 0:  # redirected once too often, or too many addresses
                raise TimeoutError
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(left / (len(found) - number))
            try:
                connection.connect(address)
            except OSError as error:
                connection.close()
                failure = error
            else:
                connection.settimeout(left)
                return connection
        raise failure

    def cut(self) -> None:
        """Close all connections."""
        for connection in self._made:
            with contextlib.suppress(OSError, AttributeError):  # not connected yet, or no more
                connection.sock.shutdown(socket.SHUT_RDWR)


def _resolved(host: str, port: int) -> list[tuple[int, Any]]:
    """Return the family and the address of each way to the host."""
    return [(known[0], known[4]) for known in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _is_local(text: str) -> bool:
    """Return whether an address, in any notation, is a loopback or link-local address of this machine."""
    address: Any = ipaddress.ip_address(text.partition("%")[0])
    if address.version == 6:
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and int(address) >> 32 in (0, 0x64FF9B << 64):  # compatible with IPv4, or NAT64
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not address.is_loopback:
            return _is_local(str(inner))
        return bool(address.is_loopback or address.is_link_local or address.is_unspecified)
    return bool(address.is_loopback or address.is_link_local or address in _NOWHERE)
