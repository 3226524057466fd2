# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch from real servers of this machine: slow, large, gone, redirecting, encrypted. Run whole plays with CRLs."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import bounded_fetch, verified
from ansible_collections.grid.security.plugins.plugin_utils._trust.bounded_fetch import FetchError, fetch
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
HOST = pki.issue("localhost", authority=True, host="localhost")
GOOD = pki.revoke(ROOT, [7], number=5)
LIMITS: dict[str, Any] = {"largest": 1 << 20, "timeout": 5.0, "http_proxy": None, "validate_certs": True}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        if "Authorization" in self.headers:
            self.server.requests.append("credentials")  # type: ignore[attr-defined]
        target = self.path.partition("/to?")[2]
        if target:
            self._answer(302, Location=urllib.parse.unquote(target))
        elif self.path == "/large-redirect":
            self._answer(302, Location="/root.crl")
            self._write(b"x" * (64 << 20))
            if not self.wfile.closed:
                self.server.requests.append("all was taken")  # type: ignore[attr-defined]
        elif self.path == "/drip-headers":
            self._drip(b"HTTP/1.0 200 OK\r\nX-Padding: " + b"x" * 1000)
        elif self.path == "/silence":
            time.sleep(3)
        elif self.path == "/elsewhere":
            self._answer(302, Location="/root.crl")
        elif self.path == "/rude":
            self.send_response(404, "\x1b[2J" + "x" * 5000)
            self.end_headers()
        elif self.path == "/local-file":
            self._answer(302, Location="file:///etc/hostname")
        elif self.path in ("/root.crl", "/drip", "/large") or self.path.startswith("http://nowhere.example/"):
            self._answer(200)
            {"/drip": self._drip, "/large": lambda data: self._write(b"x" * (2 << 20))}.get(self.path, self._write)(
                GOOD
            )
        else:
            self._answer(404)

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _write(self, data: bytes) -> None:
        try:
            self.wfile.write(data)
        except OSError:  # the client has closed the connection
            self.wfile.close()

    def _drip(self, data: bytes) -> None:
        for byte in data:
            try:
                self.wfile.write(bytes([byte]))
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(name="servers")
def _servers(tmp_path: Path) -> Iterator[tuple[str, str, list[str]]]:
    """Hold the URLs of an http and an https server, and the requests to both."""
    certificate, requests = tmp_path / "server.pem", []
    certificate.write_bytes(HOST.pem + HOST.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "authority.pem").write_bytes(HOST.pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    made = [http.server.ThreadingHTTPServer(("localhost", 0), Handler) for _scheme in range(2)]
    made[1].socket = context.wrap_socket(made[1].socket, server_side=True)
    for server in made:
        server.requests = requests  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
    plain, encrypted = (f"{scheme}://localhost:{one.server_port}" for scheme, one in zip(("http", "https"), made))
    yield plain, encrypted, requests
    for server in made:
        server.shutdown()
        server.server_close()


def test_good_answers(servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain, encrypted, requests = servers
    assert fetch(f"{plain}/root.crl", **LIMITS) == GOOD
    assert fetch(f"{plain}/elsewhere", **LIMITS) == GOOD
    with pytest.raises(FetchError, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"{encrypted}/root.crl", **LIMITS)
    assert fetch(f"{encrypted}/root.crl", **{**LIMITS, "validate_certs": False}) == GOOD
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    assert fetch(f"{encrypted}/root.crl", **LIMITS) == GOOD
    del requests[:]
    assert fetch("http://nowhere.example/root.crl", **{**LIMITS, "http_proxy": plain}) == GOOD
    assert requests == ["http://nowhere.example/root.crl"]
    monkeypatch.setenv("http_proxy", plain)
    assert fetch("http://nowhere.example/root.crl", **LIMITS) == GOOD


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/gone.crl", "cannot be fetched: HTTP Error 404: Not Found"),
        ("/large", "is larger than 1 MiB"),
        ("/silence", "took longer than 1 s"),
        ("/drip", "took longer than 1 s"),
        ("/drip-headers", "took longer than 1 s"),
        ("/local-file", "cannot be fetched: HTTP Error 302"),
    ],
)
@pytest.mark.parametrize("scheme", [0, 1], ids=["http", "https"])
def test_bad_answers(servers: tuple[str, str, list[str]], path: str, message: str, scheme: int) -> None:
    start = time.monotonic()
    with pytest.raises(FetchError, match=message):
        fetch(f"{servers[scheme]}{path}", **{**LIMITS, "timeout": 1.0, "validate_certs": False})
    assert time.monotonic() - start < 2.5


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://localhost:1/root.crl", "Connection refused"),
        ("file:///etc/hostname", "neither http nor https"),
        ("ftp://localhost/root.crl", "neither http nor https"),
        ("http://localhost:no/root.crl", "cannot be fetched: nonnumeric port"),
        ("http://", "cannot be fetched: no host given"),
        ("http://[::1/root.crl", "is no URL: Invalid IPv6 URL"),
        ("http://a\u2100b.example.org/", "is no URL: .*invalid characters"),
    ],
)
def test_bad_urls(url: str, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        fetch(url, **LIMITS)


@pytest.mark.parametrize("scheme", [0, 1], ids=["http", "https"])
def test_no_credentials_are_sent(
    servers: tuple[str, str, list[str]], scheme: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine localhost login alice password xyzzy\ndefault login alice password xyzzy\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    limits = {**LIMITS, "validate_certs": False}
    assert fetch(f"{servers[scheme]}/root.crl", **limits) == GOOD
    assert servers[2] == ["/root.crl"]
    with pytest.raises(FetchError, match="has a user name before its host") as caught:
        fetch(f"{servers[scheme]}/root.crl".replace("://", "://alice:xyzzy@"), **limits)
    assert "xyzzy" not in str(caught.value)


def test_what_stands_beside_a_redirect_is_not_read(servers: tuple[str, str, list[str]]) -> None:
    plain, _encrypted, requests = servers
    assert fetch(f"{plain}/large-redirect", **LIMITS) == GOOD
    assert requests == ["/large-redirect", "/root.crl"]


def test_https_only(servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain, encrypted, requests = servers
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    assert verified.fetch(f"{encrypted}/to?/root.crl") == GOOD
    del requests[:]
    for url, words in (
        (f"{plain}/root.crl", f"^{plain}/root.crl is not https"),
        (f"{encrypted}/to?{plain}/root.crl", f"is redirected to {plain}/root.crl, which is not https"),
        (f"{encrypted}/to?file:///etc/hostname", "HTTP Error 302"),
    ):
        with pytest.raises(GridSecurityError, match=words) as caught:
            verified.fetch(url)
        assert caught.value.error_code == ("not_fetched" if "file:" in url else "not_https")
    assert "/root.crl" not in requests
    monkeypatch.setattr(verified, "_LARGEST", 1 << 20)
    with pytest.raises(GridSecurityError, match="is larger than 1 MiB"):
        verified.fetch(f"{encrypted}/large")
    monkeypatch.setattr(verified, "_TIMEOUT", 1)
    with pytest.raises(GridSecurityError, match="took longer than 1 s"):
        verified.fetch(f"{encrypted}/drip")


# --- redirects to this machine ----------------------------------------------------------------------------------------

PUBLIC = "127.0.0.2"  # of a server that the test treats as a server elsewhere


@pytest.fixture(name="internet")
def _internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Hold a server elsewhere, a port of this machine to which nobody should connect, and names for both.

    Each lookup of a name uses up its first address, so the address can change between two lookups.
    """
    resolve, is_local = socket.getaddrinfo, bounded_fetch._is_local
    known = {"elsewhere.example": [PUBLIC] * 9, "inside.example": ["127.0.0.1"] * 9, "rebound.example": [PUBLIC, "::1"]}

    def getaddrinfo(host: str, *arguments: Any, **named: Any) -> Any:
        return resolve(known[host].pop(0) if host in known else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(bounded_fetch, "_is_local", lambda text: text != PUBLIC and is_local(text))
    server = http.server.ThreadingHTTPServer((PUBLIC, 0), Handler)
    server.requests = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with socket.create_server(("127.0.0.1", server.server_port)) as inside:
        inside.setblocking(False)
        yield SimpleNamespace(port=server.server_port, inside=inside, known=known, requests=server.requests)  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "0.0.0.0",
        "0",
        "[::ffff:127.0.0.1]",
        "[::ffff:0:0]",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "inside.example",
        "rebound.example",
    ],
)
def test_no_redirect_to_this_machine_or_its_links(internet: Any, host: str) -> None:
    first = "rebound.example" if host == "rebound.example" else "elsewhere.example"
    with pytest.raises(FetchError, match=r"is redirected to \S+ \(\S+\), an address of this machine or its links"):
        fetch(f"http://{first}:{internet.port}/to?http://{host}:{internet.port}/root.crl", **LIMITS)
    with pytest.raises(BlockingIOError):
        internet.inside.accept()


def test_redirects_elsewhere_are_followed(internet: Any) -> None:
    url = f"http://elsewhere.example:{internet.port}/to?http://{PUBLIC}:{internet.port}/root.crl"
    assert fetch(url, **LIMITS) == GOOD
    resolved = internet.known["rebound.example"] = [PUBLIC]
    assert fetch(f"http://rebound.example:{internet.port}/root.crl", **LIMITS) == GOOD
    assert resolved == []  # looked up once, so that there is no second answer


@pytest.mark.parametrize("first", ["127.0.0.1", "localhost", "inside.example"])
def test_what_the_url_itself_names_is_allowed(internet: Any, servers: tuple[str, str, list[str]], first: str) -> None:
    port = servers[0].rpartition(":")[2]
    assert fetch(f"http://{first}:{port}/to?http://127.0.0.1:{port}/root.crl", **LIMITS) == GOOD
    back = f"http://elsewhere.example:{internet.port}/to%3Fhttp://127.0.0.1:{port}/root.crl"
    with pytest.raises(FetchError, match="redirects are not followed"):  # now the answer of another server decides
        fetch(f"http://{first}:{port}/to?{back}", **LIMITS)


def test_a_proxy_may_be_here_and_redirects_past_it_may_not_lead_here(
    internet: Any, servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, _encrypted, requests = servers
    monkeypatch.setenv("http_proxy", plain)
    monkeypatch.setenv("no_proxy", "inside.example")
    assert fetch("http://nowhere.example/root.crl", **LIMITS) == GOOD
    del requests[:]
    with pytest.raises(FetchError, match="redirects are not followed"):
        fetch(f"http://nowhere.example/to?http://inside.example:{internet.port}/root.crl", **LIMITS)
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("127.255.0.3", True),
        ("0.0.0.0", True),
        ("0.1.2.3", True),
        ("169.254.0.1", True),
        ("::1", True),
        ("::", True),
        ("::127.0.0.1", True),
        ("::ffff:0.0.0.0", True),
        ("64:ff9b::127.0.0.1", True),
        ("2002:7f00:1::", True),
        ("fe80::1%lo", True),
        ("febf::1", True),
        ("192.0.2.1", False),
        ("10.0.0.1", False),
        ("::ffff:192.0.2.1", False),
        ("64:ff9b::192.0.2.1", False),
        ("2001:db8::7f00:1", False),
        ("fec0::1", False),
    ],
)
def test_local_addresses(address: str, is_local: bool) -> None:
    assert bounded_fetch._is_local(address) is is_local


def test_what_servers_say_is_quoted_in_bounds(servers: tuple[str, str, list[str]]) -> None:
    for path in ("/rude", "/to?http://localhost:1/rude".replace("rude", "x" * 5000), "/to?ftp://x/" + "x" * 5000):
        with pytest.raises(FetchError, match=r"cannot be fetched: |is redirected to ") as caught:
            fetch(servers[0] + path, **LIMITS)
        assert len(str(caught.value)) < 350
        assert str(caught.value).isprintable()


def test_a_silent_address_does_not_hide_another(
    servers: tuple[str, str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent(socket.socket):
        def connect(self, address: Any) -> None:
            if address[0] == "127.0.0.1":
                super().connect(address)
                return
            time.sleep(self.gettimeout() or 0)
            raise TimeoutError

    port = int(servers[0].rpartition(":")[2])
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("192.0.2.1", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: found)
    monkeypatch.setattr(socket, "socket", Silent)
    assert fetch("http://both.example/root.crl", **{**LIMITS, "timeout": 1.0}) == GOOD


def test_many_silent_addresses_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Silent(socket.socket):
        def connect(self, _address: Any) -> None:
            time.sleep(self.gettimeout() or 0)
            raise TimeoutError

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"192.0.2.{number}", 80)) for number in range(20)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: found)
    monkeypatch.setattr(socket, "socket", Silent)
    start = time.monotonic()
    with pytest.raises(FetchError, match=r"took longer than 0.3 s"):
        fetch("http://silent.example/root.crl", **{**LIMITS, "timeout": 0.3})
    assert time.monotonic() - start < 2


def test_runs(site: Any, servers: tuple[str, str, list[str]], executed: Callable[[str], list[str]]) -> None:
    """Run with three nodes and two CRLs, one of them slow.

    Each CRL is fetched once per run. A node executes two modules in the first run, and one module in the next run.
    """
    plain, _encrypted, requests = servers
    sources = site.root / "sources"
    sources.mkdir()
    for alias, one, url in (("root", ROOT, f"{plain}/root.crl"), ("slow", HOST, f"{plain}/drip")):
        (sources / f"{alias}.pem").write_bytes(one.pem)
        (sources / f"{alias}.crl_url").write_text(f"{url}\n")
    options = {"sources": ["sources"], "timeout": 1}
    paths = [site.root / f"certificates{number}" for number in range(3)]
    tasks = [{"grid.security.crls": {**options, "path": str(path)}} for path in paths]
    first = site.play(tasks)
    assert "changed=3" in first.stdout, first.stdout
    assert sorted(requests) == ["/drip", "/root.crl"]
    assert executed(first.stdout) == ["file_set", "file_set"] * 3
    assert f"CRL of slow: {plain}/drip took longer than 1 s." in " ".join(first.stderr.split())
    for path in paths:
        assert sorted(one.name for one in path.iterdir()) == sorted(f"{digest}.r0" for digest in ROOT.facts.hashes)
    second = site.play(tasks)
    assert "changed=0" in second.stdout
    assert executed(second.stdout) == ["file_set"] * 3
    required = site.play([{"grid.security.crls": {**options, "path": str(paths[0]), "required": True}}])
    assert required.returncode != 0
    assert "CAs without a valid CRL in place:" in required.stdout
