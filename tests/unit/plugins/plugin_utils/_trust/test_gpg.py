# SPDX-License-Identifier: GPL-3.0-or-later
"""Detached signatures: which count, and what is said of those that do not."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_sources, gpg, source_options, verified
from ansible_collections.grid.security.tests.support import pki

DATA = pki.issue("Root", authority=True).pem
LONG_AGO = ("--faked-system-time", "20200101T000000!")


class Publisher:
    """A home directory of gpg with one key, and what that key signs.

    :param options: of gpg, when the key is made. :param expires: when the key does.
    """

    def __init__(self, home: Path, *options: str, expires: str = "never") -> None:
        self.home = home
        home.mkdir(mode=0o700, parents=True)
        (home / "data").write_bytes(DATA)
        self.run(*options, "--quick-generate-key", f"{home.name}@example.org", "ed25519", "sign", expires)

    @property
    def keyring(self) -> Path:
        self.run("--armor", "--output", "keyring.asc", "--export")
        return self.home / "keyring.asc"

    def run(self, *arguments: str) -> None:
        command = ["gpg", "--batch", "--yes", "--quiet", "--no-permission-warning", "--homedir", "."]
        command += ["--pinentry-mode", "loopback", "--passphrase", ""]
        subprocess.run([*command, *arguments], cwd=self.home, check=True, capture_output=True)

    def sign(self, *options: str) -> Path:
        self.run(*options, "--output", "data.sig", "--detach-sign", "data")
        return self.home / "data.sig"

    def revoke(self) -> None:
        (certificate,) = (self.home / "openpgp-revocs.d").glob("*.rev")
        certificate.write_text(certificate.read_text().replace("\n:-----BEGIN", "\n-----BEGIN"))
        self.run("--import", str(certificate))


pytestmark = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg signs and checks, and it is not installed")


@pytest.fixture(name="root", scope="module")
def _root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Below which publishers are; their agents are ended, since they would outlive the tests."""
    root = tmp_path_factory.mktemp("g")  # the path of an agent's socket must be short
    yield root
    for home in root.iterdir():
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


@pytest.fixture(name="good", scope="module")
def _good(root: Path) -> Publisher:
    return Publisher(root / "good")


@pytest.fixture(name="other", scope="module")
def _other(root: Path) -> Publisher:
    return Publisher(root / "other")


@pytest.fixture(name="revoked", scope="module")
def _revoked(root: Path) -> tuple[Publisher, Path]:
    """A publisher whose key was revoked after it signed, and the signature."""
    publisher = Publisher(root / "revoked")
    signature = publisher.sign()
    publisher.revoke()
    return publisher, signature


def refused(signature: Path, keyring: Path, data: bytes = DATA) -> str:
    with pytest.raises(GridSecurityError) as caught:
        verified.check_signature(data, str(signature), str(keyring), "release.tar.gz")
    assert caught.value.error_code == "bad_signature"
    assert caught.value.message.startswith(f"release.tar.gz: its signature {signature.name} ")
    return caught.value.message


def test_good_signature(good: Publisher) -> None:
    verified.check_signature(DATA, str(good.sign()), str(good.keyring), "release.tar.gz")


def test_source_with_a_signature(good: Publisher) -> None:
    path = good.home / "data"
    wanted = {"src": str(path), "signature": str(good.sign()), "keyring": str(good.keyring)}
    source = source_options.read_source({**wanted, "checksum": f"sha256:{hashlib.sha256(DATA).hexdigest()}"}, "")
    (group,) = anchor_sources.read(source, str, verified.fetch)
    assert group.files == {"data.pem": DATA}


def test_revoked_key(revoked: tuple[Publisher, Path]) -> None:
    publisher, signature = revoked
    said = refused(signature, publisher.keyring)
    assert re.search(r"is by the revoked key [0-9A-F]{16}, .*update keyring", said)


def test_expired_key(root: Path) -> None:
    publisher = Publisher(root / "expired", *LONG_AGO, expires="10d")
    assert re.search(
        r"is by the key [0-9A-F]{16}, which has expired", refused(publisher.sign(*LONG_AGO), publisher.keyring)
    )


def test_expired_signature(root: Path) -> None:
    publisher = Publisher(root / "old", *LONG_AGO)
    signature = publisher.sign(*LONG_AGO, "--default-sig-expire", "10d")
    assert re.search(r"by the key [0-9A-F]{16} has expired. Ask", refused(signature, publisher.keyring))


def test_changed_data(good: Publisher) -> None:
    said = refused(good.sign(), good.keyring, DATA + b"\n")
    assert re.search(r"by the key [0-9A-F]{16} does not fit: the file was changed", said)


def test_unknown_key(good: Publisher, other: Publisher) -> None:
    said = refused(good.sign(), other.keyring)
    assert re.search(rf"is by the key [0-9A-F]{{16}}, which is not in {other.home}/keyring.asc", said)


def test_unknown_algorithm(good: Publisher) -> None:
    signature = bytearray(good.sign().read_bytes())
    signature[4] = 99  # the public-key algorithm, behind tag, length, version and type
    path = good.home / "odd.sig"
    path.write_bytes(signature)
    assert re.search(r"cannot be checked: gpg knows no such algorithm", refused(path, good.keyring))


def test_every_signature_counts(good: Publisher, other: Publisher, revoked: tuple[Publisher, Path]) -> None:
    """In whatever order they come: of two, a good one does not make up for another."""
    both = good.home / "both.asc"
    both.write_bytes(good.keyring.read_bytes() + revoked[0].keyring.read_bytes())
    path = good.home / "two.sig"
    for second, keyring, words in ((revoked[1], both, "revoked key"), (other.sign(), good.keyring, "is not in")):
        pair = [good.sign().read_bytes(), second.read_bytes()]
        for signatures in (pair, pair[::-1]):
            path.write_bytes(b"".join(signatures))
            assert words in refused(path, keyring)


def test_signatures_that_are_not_detached(good: Publisher) -> None:
    """What is signed inside the file says nothing about the data."""
    path = good.home / "inline.sig"
    for option in ("--sign", "--clear-sign", "--store"):
        good.run("--output", path.name, option, "data")
        refused(path, good.keyring, b"something else")
    for content in (b"", b"rubbish", good.keyring.read_bytes(), DATA):
        path.write_bytes(content)
        assert "is not good by the keys in" in refused(path, good.keyring)


@pytest.mark.parametrize("content", [None, b"", b"rubbish", DATA])
def test_keyring_without_keys(good: Publisher, content: bytes | None) -> None:
    path = good.home / "none.asc"
    if content is not None:
        path.write_bytes(content)
    assert "keyring" in refused(good.sign(), path)


def test_sizes(good: Publisher) -> None:
    path = good.home / "large"
    with path.open("wb") as stream:
        stream.truncate((64 << 20) + 1)
    assert "is larger than 1 MiB. Check signature" in refused(path, good.keyring)
    assert "is larger than 64 MiB. Check keyring" in refused(good.sign(), path)


@pytest.fixture(name="fake")
def _fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A program in place of gpg, which does what the shell is told."""

    def make(script: str) -> Path:
        (tmp_path / "bin").mkdir()
        program = tmp_path / "bin/gpg"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
        (tmp_path / "file").write_bytes(b"")
        return tmp_path / "file"

    return make


def test_time_is_limited(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fake("exec sleep 100")
    monkeypatch.setattr(gpg, "_TIMEOUT", 0.5)
    start = time.monotonic()
    assert "gpg took longer than 0.5 s" in refused(file, file)
    assert time.monotonic() - start < 10


def test_output_is_limited(fake: Any) -> None:
    file = fake("exec yes '[GNUPG:] GOODSIG 0 somebody'")
    assert "gpg printed more than 4 MiB" in refused(file, file)


def test_memory_is_limited(fake: Any) -> None:
    file = fake(
        'for try in $(seq 100); do [ "$(ulimit -v)" = unlimited ] || break; sleep 0.05; done; ulimit -v >&2; exit 2'
    )
    assert f"gpg says: {gpg._MOST_MEMORY >> 10}" in refused(file, file)


@pytest.mark.parametrize(
    "status",
    ["GOODSIG 0 a", "VALIDSIG 0", "GOODSIG 0 a\n[GNUPG:] VALIDSIG 0\n[GNUPG:] GOODSIG 0 b", "", "TRUST_ULTIMATE"],
)
def test_good_and_valid_are_both_required(fake: Any, status: str) -> None:
    file = fake(f"echo '[GNUPG:] {status}'")
    assert "is not good by the keys in" in refused(file, file)


def test_messages_are_no_status_lines(fake: Any) -> None:
    file = fake("printf '%s\\n' '[GNUPG:] GOODSIG 0 a' '[GNUPG:] VALIDSIG 0' >&2")
    assert "is not good by the keys in" in refused(file, file)


@pytest.mark.parametrize("exit_status", [0, 1, 2])
def test_exit_status_counts_too(fake: Any, exit_status: int) -> None:
    file = fake(f"printf '%s\\n' '[GNUPG:] GOODSIG 0 a' '[GNUPG:] VALIDSIG 0'; exit {exit_status}")
    if exit_status:
        assert "is not good by the keys in" in refused(file, file)
    else:
        verified.check_signature(b"", str(file), str(file), "release.tar.gz")


def test_no_gpg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(GridSecurityError) as caught:
        verified.check_signature(b"", f"{tmp_path}/file", f"{tmp_path}/file", "release.tar.gz")
    assert caught.value.error_code == "no_gpg"
