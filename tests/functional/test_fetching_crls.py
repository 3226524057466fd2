# SPDX-License-Identifier: GPL-3.0-or-later
"""CRLs from real servers of this machine: slow, large, gone, redirecting, encrypted; and whole runs over them."""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils import names
from ansible_collections.grid.security.plugins.plugin_utils.bounded_fetch import FetchError, fetch
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
HOST = pki.issue("localhost", authority=True, host="localhost")
GOOD = pki.revoke(ROOT, [7], number=5)
LIMITS: dict[str, Any] = {"largest": 1 << 20, "timeout": 5.0, "http_proxy": None, "validate_certs": True}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/drip-headers":
            self._drip(b"HTTP/1.0 200 OK\r\nX-Padding: " + b"x" * 1000)
        elif self.path == "/silence":
            time.sleep(3)
        elif self.path == "/elsewhere":
            self._answer(302, Location="/root.crl")
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
        except OSError:  # whoever asked has seen enough
            self.close_connection = True

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
    """The URLs of an http and an https server, and what both were asked for."""
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
    ],
)
def test_bad_urls(url: str, message: str) -> None:
    with pytest.raises(FetchError, match=message):
        fetch(url, **LIMITS)


def test_runs(site: Any, servers: tuple[str, str, list[str]], executed: Callable[[str], list[str]]) -> None:
    """Three nodes and two CRLs, one of which drips: each fetched once per run; two executions on a node, then one."""
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
        assert sorted(one.name for one in path.iterdir()) == sorted(
            f"{digest}.r0" for digest in names.hashes(ROOT.certificate.subject)
        )
    second = site.play(tasks)
    assert "changed=0" in second.stdout
    assert executed(second.stdout) == ["file_set"] * 3
    required = site.play([{"grid.security.crls": {**options, "path": str(paths[0]), "required": True}}])
    assert required.returncode != 0
    assert "CAs without a valid CRL in place:" in required.stdout
