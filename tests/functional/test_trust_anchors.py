# SPDX-License-Identifier: GPL-3.0-or-later
"""Place two real releases of IGTF, compare with openssl, upgrade and downgrade while a reader uses them."""

from __future__ import annotations

import hashlib
import http.server
import io
import shutil
import ssl
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.tests.support import igtf, pki

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt fetches the releases, and it is missing")
VERIFY = ["openssl", "verify", "-no_check_time", "-auth_level", "0", "-CApath"]
READER = """
count=0
while [ ! -e stop ]; do
    "$@" >>verified 2>&1 || echo failed >>failures
    count=$((count + 1))
done
echo $count
"""


@pytest.fixture(scope="module", name="releases")
def _releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {suite: igtf.release(suite, tmp_path_factory.mktemp(suite)) for suite in ("bookworm", "sid")}


def place(site: Any, release: Path | str) -> subprocess.CompletedProcess[str]:
    options = {"sources": [str(release)], "path": str(site.root / "certificates")}
    copies = {"bundle_path": str(site.root / "copies/ca.pem"), "java_truststore_path": str(site.root / "copies/ca.p12")}
    task = {"grid.security.trust_anchors": {**options, **copies}}
    result: subprocess.CompletedProcess[str] = site.play([task])
    return result


def links(directory: Path) -> dict[str, str]:
    """Return the hash links and their certificates."""
    return {
        one.name: str(one.readlink()) for one in directory.iterdir() if one.is_symlink() and one.suffix[1:].isdigit()
    }


def listing(directory: Path) -> dict[str, bytes]:
    """Return the contents of the files below a directory, and the targets of the links."""
    found = (path for path in directory.rglob("*") if path.is_symlink() or path.is_file())
    return {path.name: bytes(path.readlink()) if path.is_symlink() else path.read_bytes() for path in found}


def compare_with_openssl(store: Path, scratch: Path, count: int) -> None:
    certificates = sorted(store.glob("*.pem"))
    assert len(certificates) == count
    scratch.mkdir()
    for one in certificates:
        shutil.copy(one, scratch)
    subprocess.run(["openssl", "rehash", "-compat", scratch], check=True)
    assert links(store) == links(scratch)
    subprocess.run([*VERIFY, store, *certificates], check=True, stdout=subprocess.DEVNULL)


def compare_copies(root: Path, count: int) -> None:
    """Open the truststore by keytool with the usual password, another password, and none."""
    assert (root / "copies/ca.pem").read_text().count("-----BEGIN CERTIFICATE-----") == count
    for password in (["-storepass", "changeit"], ["-storepass", "another"], []):
        command = ["keytool", "-list", "-keystore", root / "copies/ca.p12", *password]
        listed = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
        assert listed.count("trustedCertEntry") == count


@needs_apt
def test_releases(site: Any, releases: dict[str, Path], executed: Callable[[str], list[str]]) -> None:
    store = site.root / "certificates"
    counts = {suite: len(list(path.glob("*/*.pem"))) for suite, path in releases.items()}
    first, second = place(site, releases["bookworm"]), place(site, releases["bookworm"])
    assert executed(first.stdout) == ["file_set", "file_set"]
    assert executed(second.stdout) == ["file_set"]
    assert "changed=0" in second.stdout
    assert "serial number" not in first.stderr  # users can do nothing about cryptography's warnings about real roots
    assert listing(store) == {
        name: what for name, what in listing(releases["bookworm"]).items() if not name.startswith("policy-")
    }
    compare_with_openssl(store, site.root / "bookworm", counts["bookworm"])
    compare_copies(site.root, counts["bookworm"])
    (site.root / "leaf.pem").write_bytes((store / "CERN-GridCA.pem").read_bytes())
    command = ["sh", "-c", READER, "reader", *VERIFY, str(store), "leaf.pem"]
    with subprocess.Popen(command, cwd=site.root, stdout=subprocess.PIPE, text=True) as reader:
        for suite in ("sid", "bookworm", "sid"):
            changed = place(site, releases[suite])
            assert "changed=1" in changed.stdout, changed.stdout
        (site.root / "stop").touch()
        assert int(reader.communicate()[0]) > 100
    assert not (site.root / "failures").exists()
    compare_with_openssl(store, site.root / "sid", counts["sid"])
    compare_copies(site.root, counts["sid"])


def broken_sources() -> dict[str, bytes]:
    root = pki.issue("Root", authority=True)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../escape.pem"))
    return {
        "key.pem": root.pem + root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "page.pem": b"<html>Log in</html>",
        "truncated.pem": root.pem[:-40],
        "user.pem": pki.issue("User", issuer=root).pem,
        "middle.pem": pki.issue("Middle", authority=True, issuer=root).pem,
        "leaves.tar.gz": archive.getvalue(),
    }


def test_broken_sources_never_reach_the_node(site: Any, executed: Callable[[str], list[str]]) -> None:
    expected = {
        "key.pem": "holds a private key",
        "page.pem": "is a web page. Open it in a browser",
        "truncated.pem": "is truncated",
        "user.pem": "which is no CA",
        "middle.pem": "middle needs /DC=org/DC=example/CN=Root",
        "leaves.tar.gz": "leaves the archive",
    }
    tasks = []
    for name, data in broken_sources().items():
        (site.root / name).write_bytes(data)
        options = {"sources": [name], "path": str(site.root / "certificates")}
        tasks.append({"grid.security.trust_anchors": options, "ignore_errors": True})
    output = site.play(tasks)
    assert [text for text in expected.values() if text not in output.stdout + output.stderr] == []
    assert executed(output.stdout) == []
    assert "ignored=6" in output.stdout


@pytest.fixture(name="server")
def _server(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """Run an https server on this machine. Yield its URL, the CA of its certificate, and the requests to it."""
    host, requests = pki.issue("localhost", authority=True, host="localhost"), []
    certificate = tmp_path / "server.pem"
    key = host.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    certificate.write_bytes(host.pem + key)
    (tmp_path / "authority.pem").write_bytes(host.pem)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_response(200 if self.path == "/ca.pem" else 404)
            self.end_headers()
            self.wfile.write(host.pem)

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with http.server.ThreadingHTTPServer(("localhost", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://localhost:{server.server_port}", tmp_path / "authority.pem", requests
        server.shutdown()


def test_url_is_fetched_once_per_run_and_checked(
    site: Any, server: tuple[str, Path, list[str]], executed: Callable[[str], list[str]]
) -> None:
    url, authority, requests = server
    checksum = "sha256:" + hashlib.sha256(authority.read_bytes()).hexdigest()
    good = {"url": f"{url}/ca.pem", "checksum": checksum}
    path = str(site.root / "certificates")
    tasks = [{"grid.security.trust_anchors": {"sources": [good], "path": path}}] * 3
    output = site.play(tasks, SSL_CERT_FILE=str(authority))
    assert output.returncode == 0, output.stdout
    assert requests == ["/ca.pem"]
    site.play(tasks)
    assert requests == ["/ca.pem"], "its checksum says what it would answer"
    broken = {
        "which differs from checksum": {**good, "checksum": "sha256:" + "0" * 64},
        "404": {**good, "url": f"{url}/other"},
    }
    for message, source in broken.items():
        task = {"grid.security.trust_anchors": {"sources": [source], "path": path}}
        output = site.play([task], SSL_CERT_FILE=str(authority))
        assert message in output.stdout
        assert executed(output.stdout) == []
    # No option trusts this CA, and no earlier run has cached its answer.
    output = site.play(tasks[:1], ANSIBLE_HOME=str(site.root / "other-home"))
    assert "certificate verify failed" in output.stdout
    assert executed(output.stdout) == []
