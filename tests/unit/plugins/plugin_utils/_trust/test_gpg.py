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
    """Return a publisher whose key was revoked after it signed, and the signature."""
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
    """Return a function that replaces gpg by a shell script."""

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


# --- what gpg says ----------------------------------------------------------------------------------------------------

KEY = "0123456789ABCDEF"
FAILING = 'case "$*" in *--import*) echo of the import >&2; exit {0};; *) echo of the check >&2; exit {1};; esac'


@pytest.mark.parametrize(
    ("import_status", "status", "words"), [(0, 2, "of the check"), (2, 0, "of the import"), (2, 2, "of the import")]
)
def test_the_words_of_the_run_that_failed_are_quoted(fake: Any, import_status: int, status: int, words: str) -> None:
    file = fake(FAILING.format(import_status, status))
    assert refused(file, file).endswith(f"gpg says: {words}")


@pytest.mark.parametrize(
    ("rest", "import_status", "words", "is_import_quoted"),
    [
        (f"{KEY} 22 8 00 5 9", 0, f"by the key {KEY}, which is not in", False),
        (f"{KEY} 22 8 00 5 9 FINGERPRINT", 2, f"by the key {KEY}, which is not in", True),
        (f"{KEY} 22 8 00 5 4 FINGERPRINT", 2, f"by the key {KEY} cannot be checked", False),
        (f"{KEY} 22 8 00 5", 0, f"by the key {KEY} cannot be checked", False),
        ("", 0, "by the key ? cannot be checked", False),
    ],
)
def test_keys_that_are_missing_and_signatures_that_gpg_cannot_check(
    fake: Any, rest: str, import_status: int, words: str, is_import_quoted: bool
) -> None:
    import_fails = f'case "$*" in *--import*) echo of the import >&2; exit {import_status};; esac'
    file = fake(f"{import_fails}; echo '[GNUPG:] ERRSIG {rest}'; exit 2")
    message = refused(file, file)
    assert words in message
    assert message.endswith("gpg says: of the import") is is_import_quoted


@pytest.mark.parametrize(
    ("keyword", "words"),
    [
        ("REVKEYSIG", "by the revoked key"),
        ("EXPKEYSIG", "which has expired"),
        ("EXPSIG", "has expired"),
        ("BADSIG", "does not fit"),
        ("ERRSIG", "cannot be checked"),
    ],
)
@pytest.mark.parametrize("key", [KEY, "?"])
@pytest.mark.parametrize("is_first", [True, False])
def test_one_bad_signature_outweighs_good_ones(fake: Any, keyword: str, words: str, key: str, is_first: bool) -> None:
    bad, good = [f"{keyword} {KEY} a" if key == KEY else keyword], ["GOODSIG 0 b", "VALIDSIG 0"]
    lines = bad + good if is_first else good + bad
    file = fake("printf '[GNUPG:] %s\\n' " + " ".join(f"'{line}'" for line in lines))
    message = refused(file, file)
    assert words in message
    assert f"key {key}" in message


def test_two_good_signatures(fake: Any) -> None:
    file = fake("printf '[GNUPG:] %s\\n' 'GOODSIG 0 a' 'VALIDSIG 0' '' 'GOODSIG 1 b' 'VALIDSIG 1'")
    verified.check_signature(b"", str(file), str(file), "release.tar.gz")


def test_the_end_of_a_long_message_is_quoted(fake: Any) -> None:
    file = fake("printf '%0100d' 0 >&2; printf '%0500d\\n' 1 | tr 0 x >&2; exit 2")
    assert refused(file, file).endswith(f"gpg says: {'x' * 499}1")


def test_gpg_sees_the_data_and_no_keys_of_the_user(fake: Any, tmp_path: Path) -> None:
    """Both runs have one home directory of their own, and messages in English."""
    file = fake(f'printf "%s\\n" "$LC_ALL $LANGUAGE" "$@" >>{tmp_path}/seen; for last; do :; done; cat "$last"')
    assert "is not good" in refused(file, file, b"[GNUPG:] GOODSIG 0 a\n")
    seen = (tmp_path / "seen").read_text().splitlines()
    homes = {seen[number + 1] for number, word in enumerate(seen) if word == "--homedir"}
    assert len(homes) == 1
    assert not Path(homes.pop()).exists()
    assert seen.count("C.UTF-8 C") == 2
    assert {"--import", "--verify", "--no-options", "--no-auto-key-retrieve"} <= set(seen)


def test_sizes_at_the_limit(fake: Any, tmp_path: Path) -> None:
    fake("printf '[GNUPG:] %s\\n' 'GOODSIG 0 a' 'VALIDSIG 0'")
    for name, size in (("signature", 1 << 20), ("keyring", 64 << 20)):
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(size)
    verified.check_signature(b"", f"{tmp_path}/signature", f"{tmp_path}/keyring", "release.tar.gz")


@pytest.mark.parametrize("too_much", [0, 1])
def test_output_at_the_limit(fake: Any, monkeypatch: pytest.MonkeyPatch, too_much: int) -> None:
    """What is written to both outputs counts."""
    status = "[GNUPG:] GOODSIG 0 a\n[GNUPG:] VALIDSIG 0\n"
    monkeypatch.setattr(gpg, "_MOST_OUTPUT", len(status) + 7 - too_much)
    file = fake("printf '[GNUPG:] %s\\n' 'GOODSIG 0 a' 'VALIDSIG 0'; echo warned >&2")
    if too_much:
        assert "gpg printed more than" in refused(file, file)
    else:
        verified.check_signature(b"", str(file), str(file), "release.tar.gz")


def test_gpg_may_end_later_than_its_output(fake: Any) -> None:
    file = fake("printf '[GNUPG:] %s\\n' 'GOODSIG 0 a' 'VALIDSIG 0'; exec >&- 2>&-; sleep 0.2; exit 0")
    verified.check_signature(b"", str(file), str(file), "release.tar.gz")
