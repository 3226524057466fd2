# SPDX-License-Identifier: GPL-3.0-or-later
"""Which answers and redirects are taken. All addresses lead to one server of this machine.

Real timeouts, certificates and proxies are tested in tests/functional/test_fetching_crls.py.
"""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.plugin_utils._trust import bounded_fetch
from ansible_collections.grid.security.plugins.plugin_utils._trust.bounded_fetch import FetchError
from ansible_collections.grid.security.tests.support import pki

BODY = b"x" * 100_000
LIMITS: dict[str, Any] = {"largest": len(BODY), "timeout": 20}
SERVER = pki.issue("localhost", authority=True, host="localhost")


class Handler(http.server.BaseHTTPRequestHandler):
    """``/to?URL`` is a redirect, ``/status?N`` an empty answer, ``/silence`` none until the client goes.

    ``/large`` has more than two MiB. ``/drip`` is good, byte by byte in six seconds.
    """

    def do_GET(self) -> None:
        self.server.seen.append(self)  # type: ignore[attr-defined]
        kind, _mark, value = self.path.partition("?")
        if kind == "/silence":
            self.connection.recv(1)
        elif kind == "/drip":
            self._drip()
        elif kind.endswith("/to"):
            self._answer(302, Location=urllib.parse.unquote(value))
        elif kind == "/status":
            self._answer(int(value))
        elif kind == "/rude":
            self.send_response(404, "\x1b[2J" + "x" * 5000)
            self.end_headers()
        else:
            self._answer(200)
            self.wfile.write(BODY * 30 if kind == "/large" else BODY)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _drip(self) -> None:
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.0 200 OK\r\n" + b"x" * 300 + b": y\r\n\r\n":
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)

    def log_message(self, *_arguments: Any) -> None:
        pass


class Network:
    """Names, their addresses, and the server that answers at each of them.

    :ivar asked: the addresses to which connections were made. :ivar dead: addresses at which nobody answers.
    :ivar timeouts: how long each connection might take.
    """

    def __init__(self, server: Any, patch: pytest.MonkeyPatch) -> None:
        self.server, self.asked, self.names = server, list[str](), dict[str, list[str]]()
        self.dead: set[str] = set()
        self.timeouts: list[float | None] = []
        network, port = self, server.server_port

        class Wire(socket.socket):
            def __init__(self, _family: int = socket.AF_INET, *arguments: Any, **named: Any) -> None:
                super().__init__(socket.AF_INET, *arguments, **named)

            def connect(self, address: Any) -> None:
                self.address = address
                network.timeouts.append(self.gettimeout())
                if address[0] in network.dead:
                    raise ConnectionRefusedError(111, "Connection refused")
                network.asked.append(address[0])
                super().connect(("127.0.0.1", port))

            def getpeername(self) -> Any:
                return self.address

        patch.setattr(bounded_fetch.socket, "socket", Wire)
        patch.setattr(bounded_fetch.socket, "getaddrinfo", self._resolve)

    def _resolve(self, host: str, port: int, **_hints: Any) -> list[Any]:
        found = self.names.get(host, [host])
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]


@pytest.fixture(name="network")
def _network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.seen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    with monkeypatch.context() as patch:
        yield Network(server, patch)
    server.shutdown()
    server.server_close()


def fetch(url: str, **limits: Any) -> bytes:
    return bounded_fetch.fetch(url, **{**LIMITS, **limits})


def refusal(url: str, **limits: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, **limits)
    return caught.value


# --- answers ----------------------------------------------------------------------------------------------------------


def test_the_body_is_returned(network: Network) -> None:
    assert fetch("http://192.0.2.1/ca.pem") == BODY
    (request,) = network.server.seen
    assert request.headers["User-Agent"] == "grid.security"
    assert request.headers["Authorization"] is None


@pytest.mark.usefixtures("network")
def test_the_size_is_limited_to_the_byte() -> None:
    assert refusal("http://192.0.2.1/", largest=len(BODY) - 1).error_code == "too_large"
    assert "is larger than 2 MiB" in str(refusal("http://192.0.2.1/large", largest=2 << 20))


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_the_status_is_told(status: int) -> None:
    error = refusal(f"http://192.0.2.1/status?{status}")
    assert error.error_code == "not_fetched"
    assert str(status) in str(error)


def test_what_the_system_says_is_told(network: Network) -> None:
    network.dead = {"192.0.2.1"}
    error = refusal("http://192.0.2.1/")
    assert (error.error_code, "Connection refused" in str(error)) == ("not_fetched", True)
    network.names = {"nowhere.example": []}
    assert "Name or service not known" in str(refusal("http://nowhere.example/"))


@pytest.mark.usefixtures("network")
def test_what_a_server_says_is_printable_and_short() -> None:
    said = str(refusal("http://192.0.2.1/rude"))
    assert said.isprintable()
    assert 200 < len(said) < 240
    said = str(refusal(f"http://192.0.2.1/to?http://127.0.0.1/{'x' * 5000}"))
    assert len(said) < 350


@pytest.mark.usefixtures("network")
def test_a_silent_server_costs_the_timeout() -> None:
    error = refusal("http://192.0.2.1/silence", timeout=0.3)
    assert (error.error_code, str(error)) == ("not_fetched", "took longer than 0.3 s")


@pytest.mark.usefixtures("network")
def test_headers_that_drip_cost_the_timeout() -> None:
    assert str(refusal("http://192.0.2.1/drip", timeout=0.3)) == "took longer than 0.3 s"


def test_no_time_is_left(network: Network) -> None:
    assert "took longer than 0 s" in str(refusal("http://192.0.2.1/", timeout=0))
    assert network.asked == []


def test_time_that_ends_while_the_body_comes(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock jumps when the first bytes are read."""
    now, passed = time.monotonic(), [0.0]
    monkeypatch.setattr(bounded_fetch.time, "monotonic", lambda: now + passed[0])
    read1 = bounded_fetch.http.client.HTTPResponse.read1

    def late(answer: Any, size: int = -1) -> bytes:
        passed[0] = 20.0
        return read1(answer, size)

    with monkeypatch.context() as patch:
        patch.setattr(bounded_fetch.http.client.HTTPResponse, "read1", late)
        assert "took longer than 20 s" in str(refusal("http://192.0.2.1/"))
    assert network.asked == ["192.0.2.1"]


# --- URLs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "https_only", "code"),
    [
        ("ftp://192.0.2.1/", False, "not_https"),
        ("file:///etc/hostname", False, "not_https"),
        ("httpx://192.0.2.1/", False, "not_https"),
        ("http://192.0.2.1/", True, "not_https"),
        ("http://[::1/", False, "not_fetched"),
        ("http://alice:xyzzy@192.0.2.1/", False, "not_fetched"),
        ("http://192.0.2.1:no/", False, "not_fetched"),
    ],
)
def test_bad_urls_reach_nobody(network: Network, url: str, https_only: bool, code: str) -> None:
    error = refusal(url, https_only=https_only)
    assert error.error_code == code
    assert ("http nor https" in str(error)) is (code == "not_https" and not https_only)
    assert "xyzzy" not in str(error)
    assert network.asked == []


def test_certificates_of_servers_are_checked(network: Network, tmp_path: Path) -> None:
    (tmp_path / "server.pem").write_bytes(
        SERVER.pem + SERVER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "server.pem")
    network.server.socket = context.wrap_socket(network.server.socket, server_side=True, do_handshake_on_connect=False)
    for https_only in (True, False):
        assert "CERTIFICATE_VERIFY_FAILED" in str(refusal("https://192.0.2.1/", https_only=https_only))
        assert fetch("https://192.0.2.1/", https_only=https_only, validate_certs=False) == BODY
    error = refusal("https://192.0.2.1/to?http://192.0.2.1/", https_only=True, validate_certs=False)
    assert error.error_code == "not_https"


# --- redirects --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("network")
def test_redirects_are_followed() -> None:
    for target in ("/ca.pem", "http://192.0.2.2/ca.pem", "http://10.0.0.1/"):
        assert fetch(f"http://192.0.2.1/to?{target}") == BODY


def test_redirects_to_other_schemes_and_with_passwords_are_refused(network: Network) -> None:
    for target in ("ftp://192.0.2.2/", "file:///etc/hostname", "http://alice:xyzzy@192.0.2.2/"):
        refusal(f"http://192.0.2.1/to?{target}")
    assert set(network.asked) == {"192.0.2.1"}


LOCAL = (
    ["127.0.0.1", "127.255.0.3", "0.0.0.0", "0.1.2.3", "169.254.0.1", "::1", "::", "fe80::1", "fe80::1%lo", "febf::1"]
    + ["::127.0.0.1", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::127.0.0.1"]
    + ["2002:7f00:1::", "2002:a9fe:1::"]
)
ELSEWHERE = [
    "192.0.2.2",
    "10.0.0.1",
    "1.0.0.0",
    "2001:db8::7f00:1",
    "fec0::1",
    "::ffff:192.0.2.2",
    "64:ff9b::192.0.2.2",
] + ["2002:c000:202::", "::192.0.2.2", "64:ff9b:0:0:0:1:127.0.0.1"]


@pytest.mark.parametrize("address", LOCAL)
def test_no_redirect_leads_to_this_machine_or_its_links(network: Network, address: str) -> None:
    network.names = {"inside.example": [address]}
    error = refusal("http://192.0.2.1/to?http://inside.example/")
    assert error.error_code == "not_fetched"
    assert f"inside.example ({address})" in str(error)
    assert network.asked == ["192.0.2.1"]


@pytest.mark.parametrize("address", ELSEWHERE)
def test_redirects_lead_to_all_other_addresses(network: Network, address: str) -> None:
    network.names = {"other.example": [address]}
    assert fetch("http://192.0.2.1/to?http://other.example/") == BODY


@pytest.mark.parametrize("first", LOCAL)
def test_what_the_url_itself_names_may_be_here(network: Network, first: str) -> None:
    network.names = {"inside.example": [first]}
    assert fetch("http://inside.example/to?http://127.0.0.1/ca.pem") == BODY
    back = urllib.parse.quote("http://127.0.0.1/")
    assert "redirected to 127.0.0.1" in str(refusal(f"http://inside.example/to?http://192.0.2.1/to?{back}"))


def test_of_several_addresses_only_those_elsewhere_count(network: Network) -> None:
    network.names = {"both.example": ["127.0.0.1", "192.0.2.2", "::1"]}
    assert fetch("http://192.0.2.1/to?http://both.example/") == BODY
    assert network.asked == ["192.0.2.1", "192.0.2.2"]


def test_the_first_address_that_answers_counts(network: Network) -> None:
    network.names = {"several.example": ["192.0.2.1", "192.0.2.2", "192.0.2.3"]}
    network.dead = {"192.0.2.1"}
    assert fetch("http://several.example/") == BODY
    assert network.asked == ["192.0.2.2"]


def test_addresses_share_the_time_that_is_left(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    network.names = {"several.example": ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"]}
    network.dead = {"192.0.2.1", "192.0.2.2"}
    now = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(bounded_fetch.time, "monotonic", lambda: now)
        assert fetch("http://several.example/", timeout=24) == BODY
    assert network.timeouts == pytest.approx([6, 8, 12])


def test_a_proxy_may_be_here_and_redirects_past_it_may_not_lead_here(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fetch("http://192.0.2.1/ca.pem", http_proxy="http://127.0.0.1:3128") == BODY
    assert network.asked == ["127.0.0.1"]
    assert network.server.seen[0].path == "http://192.0.2.1/ca.pem"
    monkeypatch.setenv("no_proxy", "inside.example")
    network.names = {"inside.example": ["127.0.0.1"]}
    target = "http://192.0.2.1/to?http://inside.example/"
    assert "redirected to inside.example" in str(refusal(target, http_proxy="http://127.0.0.1:3128"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.2:3128")
    assert fetch("http://192.0.2.1/") == BODY
    assert network.asked[-1] == "127.0.0.2"
