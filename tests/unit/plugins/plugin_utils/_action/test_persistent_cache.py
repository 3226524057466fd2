# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger: how pages are named, sealed and protected, and which code they depend on."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

import pytest
from ansible import constants as C

from ansible_collections.grid.security.plugins import module_utils, plugin_utils
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache

SUBJECT = persistent_cache.Subject(b"about alice", b"import, store", 1500, ("alice",))


@pytest.fixture(autouse=True, name="directory")
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(C, "ANSIBLE_HOME", str(tmp_path))
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    (tmp_path / "run").mkdir()
    return tmp_path / "grid.security"


def write(subject: persistent_cache.Subject = SUBJECT, value: str = "summary") -> None:
    persistent_cache.Entry(subject).write(value)


def read(subject: persistent_cache.Subject = SUBJECT) -> str | None:
    found: str | None = persistent_cache.Entry(subject).read()
    return found


def test_what_was_written_is_read(directory: Path) -> None:
    write()
    assert read() == "summary"
    assert len(list(directory.iterdir())) == 1


# --- names and seals --------------------------------------------------------------------------------------------------


def derived(iterations: int) -> bytes:
    """What a guess at the passphrases has to compute."""
    salt = hashlib.sha256(persistent_cache._code() + SUBJECT.known).digest()
    return hashlib.pbkdf2_hmac("sha256", SUBJECT.secret, salt, iterations)


def test_the_name_takes_the_iterations_of_the_subject_to_derive(directory: Path) -> None:
    write()
    (page,) = directory.iterdir()
    assert page.name == hmac.digest(derived(1500), b"name", "sha256").hex()
    assert page.name != hmac.digest(derived(1), b"name", "sha256").hex()


def test_the_key_of_the_seal_is_not_the_name(directory: Path) -> None:
    write()
    (page,) = directory.iterdir()
    seal, text = page.read_bytes()[:32], page.read_bytes()[32:]
    assert seal == hmac.digest(hmac.digest(derived(1500), b"key", "sha256"), text, "sha256")
    for known in (bytes.fromhex(page.name), page.name.encode(), b""):
        assert seal != hmac.digest(known, text, "sha256"), "whoever sees the name could write a page"


@pytest.mark.parametrize(
    "other",
    [
        persistent_cache.Subject(b"about bob", SUBJECT.secret, 1500),
        persistent_cache.Subject(SUBJECT.known, b"import, other", 1500),
        persistent_cache.Subject(SUBJECT.known, SUBJECT.secret, 1501),
    ],
)
def test_another_subject_is_another_page(other: persistent_cache.Subject) -> None:
    write()
    assert read(other) is None


def test_a_page_under_another_name_is_no_page(directory: Path) -> None:
    write()
    other = persistent_cache.Subject(b"about bob", b"guessed", 1500)
    write(other)
    mine, others = sorted(
        directory.iterdir(), key=lambda path: path.name != persistent_cache.Entry(SUBJECT)._keys[0].hex()
    )
    mine.write_bytes(others.read_bytes())
    assert read() is None


# --- what protects pages without a secret -----------------------------------------------------------------------------


def test_a_directory_of_somebody_else_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    monkeypatch.setattr(persistent_cache.os, "geteuid", lambda: os.stat("/").st_uid + 12345)
    monkeypatch.setattr(persistent_cache, "_read_own", Path.read_bytes)  # which would notice it as well
    assert read() is None


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_directory_that_others_may_write_is_not_used(directory: Path, mode: int) -> None:
    write()
    directory.chmod(mode)
    assert read() is None
    write(value="again")
    directory.chmod(0o700)
    assert read() == "summary", "nothing is written there, either"


def test_a_link_in_place_of_the_directory_is_not_used(directory: Path) -> None:
    write()
    directory.rename(directory.with_name("elsewhere"))
    directory.symlink_to("elsewhere")
    assert read() is None


@pytest.mark.parametrize("kind", ["somebody else's", "open to others", "link", "fifo"])
def test_a_page_that_somebody_else_may_have_put_there_is_no_page(
    directory: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write()
    (page,) = directory.iterdir()
    if kind == "somebody else's":
        monkeypatch.setattr(persistent_cache, "_directory", lambda: directory)
        monkeypatch.setattr(persistent_cache.os, "geteuid", lambda: os.stat(page).st_uid + 1)
    elif kind == "open to others":
        page.chmod(0o666)
    elif kind == "link":
        page.rename(directory / "elsewhere")
        page.symlink_to("elsewhere")
    else:
        page.unlink()
        os.mkfifo(page)
    assert read() is None


# --- which code -------------------------------------------------------------------------------------------------------


def test_pages_depend_on_all_files_of_the_code_nested_ones_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nested = tmp_path / "plugin_utils/_x509/_deeper/crl.py"
    nested.parent.mkdir(parents=True)
    monkeypatch.setattr(persistent_cache, "_CODE_ROOTS", (tmp_path / "plugin_utils",))
    codes = []
    for text in ("first", "second"):
        nested.write_text(text)
        codes.append(persistent_cache._code.__wrapped__())
    nested.rename(nested.with_name("other.py"))
    codes.append(persistent_cache._code.__wrapped__())
    assert len(set(codes)) == 3


def test_the_code_is_that_of_controller_and_node() -> None:
    roots = {Path(root) for package in (module_utils, plugin_utils) for root in package.__path__}
    assert set(map(Path.resolve, persistent_cache._CODE_ROOTS)) == set(map(Path.resolve, roots))


# --- what goes --------------------------------------------------------------------------------------------------------


def age(directory: Path, days: float) -> None:
    for path in directory.iterdir():
        os.utime(path, (0, persistent_cache.time.time() - days * 86400))


@pytest.mark.parametrize(("days", "stays"), [(0.5, True), (2, False)])
def test_pages_of_other_code_go_after_a_day(directory: Path, days: float, stays: bool) -> None:
    directory.mkdir(mode=0o700)
    old = directory / ("0" * 64)
    old.write_bytes(bytes(32) + b'[{"facts": {}}]')  # as release 0.1.0 wrote them
    age(directory, days)
    assert read() is None
    assert old.exists() == stays


def test_pages_are_swept_once_per_run(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    swept: list[Path] = []
    monkeypatch.setattr(persistent_cache, "_sweep", lambda path: swept.append(path) or {})
    for _page in range(3):
        read()
    assert swept == [directory]


@pytest.mark.parametrize(("about", "days", "stays"), [("alice", 1, False), ("bob", 1, True), ("alice", -1, True)])
def test_superseded_pages_go_unless_this_run_used_them(directory: Path, about: str, days: float, stays: bool) -> None:
    write()
    age(directory, days)
    persistent_cache.remove_superseded({about})
    assert (read() is not None) == stays


def test_files_that_are_no_pages_are_left_alone(directory: Path) -> None:
    write()
    (directory / "notes").write_text("of the site")
    (directory / "backup").mkdir()
    age(directory, 1)
    persistent_cache.remove_superseded({"alice"})
    assert {path.name for path in directory.iterdir()} == {"notes", "backup"}
