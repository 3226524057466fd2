# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine, in a directory of the user who runs the tests."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import pwd
import resource
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils import apply, file_set, manifest, scanning
from ansible_collections.grid.security.tests.support.systemd import Systemd

CONTENT = b"key"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def converge(home: Path, *entries: dict[str, Any], send: bool = True, check: bool = False) -> dict[str, Any]:
    one = {"name": "test", "directory": str(home), "entries": [{"state": "file", **entry} for entry in entries]}
    contents = {DIGEST: base64.b64encode(CONTENT).decode()} if send else {}
    return file_set.converge([one], contents, check, False)[0]


def key(**fields: Any) -> dict[str, Any]:
    return {"path": "key", "sha256": DIGEST, "size": len(CONTENT), "mode": "0600", **fields}


def test_asks_for_what_it_lacks_and_touches_nothing(home: Path) -> None:
    assert converge(home, key(), send=False)["needs"] == [DIGEST]
    assert not list(home.iterdir())


def test_places_and_then_changes_nothing(home: Path) -> None:
    assert converge(home, key())["changed"]
    assert (home / "key").read_bytes() == CONTENT
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600
    assert not converge(home, key(), send=False)["changed"]
    assert [path.name for path in home.iterdir()] == ["key"]


def test_more_files_than_may_be_open(home: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, usual[1]))
    try:
        assert not converge(home, *(key(path=f"key{number}") for number in range(300))).get("failed")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert {path.read_bytes() for path in home.iterdir()} == {CONTENT}
    assert len(list(home.iterdir())) == 300


def test_check_mode_touches_nothing(home: Path) -> None:
    assert converge(home, key(), check=True)["changed"]
    assert not list(home.iterdir())


def test_mode_alone_needs_no_content(home: Path) -> None:
    converge(home, key())
    (home / "key").chmod(0o644)
    result = converge(home, key(), send=False)
    assert result["entries"][0]["changes"] == ["mode 0644 → 0600"]
    assert stat.S_IMODE((home / "key").stat().st_mode) == 0o600


def test_link_is_replaced_and_its_target_left_alone(home: Path) -> None:
    (home / "elsewhere").write_bytes(b"precious")
    (home / "key").symlink_to("elsewhere")
    assert converge(home, key())["changed"]
    assert (home / "elsewhere").read_bytes() == b"precious"
    assert not (home / "key").is_symlink()


def test_fifo_does_not_block(home: Path) -> None:
    os.mkfifo(home / "key")
    assert converge(home, key())["changed"]
    assert (home / "key").read_bytes() == CONTENT


def test_linked_directory_is_refused(home: Path) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to("real")
    result = converge(home / "link", key())
    assert result["failed"]
    assert result["kind"] == "not_a_directory"
    assert not list((home / "real").iterdir())


def test_directory_in_the_way_is_refused(home: Path) -> None:
    (home / "key").mkdir()
    assert converge(home, key())["kind"] == "is_directory"


def test_removes_and_then_changes_nothing(home: Path) -> None:
    converge(home, key())
    gone = {"path": "key", "state": "absent"}
    assert converge(home, gone)["changed"]
    assert not converge(home, gone)["changed"]


def test_backup_keeps_the_old_file_narrowed(home: Path) -> None:
    (home / "key").write_bytes(b"old")
    (home / "key").chmod(0o644)
    backup = Path(converge(home, key(backup=True))["entries"][0]["backup_file"])
    assert backup.read_bytes() == b"old"
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_leftovers_are_cleared(home: Path) -> None:
    converge(home, key())
    (home / ".grid-security-0123.tmp").write_bytes(b"half")
    assert converge(home, key(), send=False)["changed"]
    assert [path.name for path in home.iterdir()] == ["key"]


def test_leftovers_are_cleared_where_nothing_else_is_to_be_removed(home: Path) -> None:
    (home / ".grid-security-0123.tmp").write_bytes(b"a whole key")
    assert converge(home, {"path": "key", "state": "absent"})["changed"]
    assert not list(home.iterdir())


def test_leftover_that_cannot_be_looked_at_is_not_passed_over(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a key."""
    look, leftover = os.stat, ".grid-security-0123.tmp"

    def broken(path: Any, **options: Any) -> os.stat_result:
        if path == leftover:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return look(path, **options)

    converge(home, key())
    (home / leftover).write_bytes(b"half")
    monkeypatch.setattr(os, "stat", broken)
    result = converge(home, key(), send=False)
    assert result["kind"] == "os_error"
    assert str(home) in result["msg"]


def test_directory_under_a_temporary_name_is_somebody_else_s(home: Path) -> None:
    converge(home, key())
    (home / ".grid-security-0123.tmp").mkdir()
    assert not converge(home, key(), send=False)["changed"]


def test_leftovers_count_when_a_directory_is_compared(home: Path) -> None:
    expected = {"patterns": ["*.pem"], "sha256": manifest.digest({})}
    one = {"name": "test", "directory": str(home), "entries": [], "manifest": expected}
    assert not file_set.converge([one], {}, False, False)[0]["changed"]
    (home / ".grid-security-0123.tmp").write_bytes(b"half")
    result = file_set.converge([one], {}, False, False)[0]
    assert result["changed"]
    assert list(result["found"]) == [".grid-security-0123.tmp"]


def test_directory_under_a_temporary_name_counts_for_nothing(home: Path) -> None:
    (home / ".grid-security-0123.tmp").mkdir()
    assert not scanning.scan(str(home), ["*.pem"])


def test_backup_of_an_interrupted_run_is_taken_over(home: Path) -> None:
    (home / "key").write_bytes(b"old")
    os.link(home / "key", home / "key.4711.2026-01-02@03:04:05~")
    backup = converge(home, key(backup=True))["entries"][0]["backup_file"]
    assert backup == str(home / "key.4711.2026-01-02@03:04:05~")
    assert len(list(home.iterdir())) == 2


def test_more_is_needed_than_was_asked_for(home: Path) -> None:
    """Somebody changed another file between the two calls."""
    other = key(path="other", sha256="0" * 64)
    result = converge(home, key(), other)
    assert result["kind"] == "changed_meanwhile"
    assert str(home / "other") in result["msg"]
    assert not list(home.iterdir())


def test_link_entries(home: Path) -> None:
    link = {"path": "link", "state": "link", "target": "key"}
    assert converge(home, key(), link)["changed"]
    assert os.readlink(home / "link") == "key"
    assert not converge(home, key(), link)["changed"]


def test_directory_that_comes_and_goes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_parents = apply._open_parents

    def late(*arguments: Any) -> dict[str, int]:
        (home / "new").rmdir()
        try:
            return open_parents(*arguments)
        finally:
            (home / "new").mkdir()

    monkeypatch.setattr(apply, "_open_parents", late)
    result = converge(home, {"path": "new", "state": "directory"}, key(path="new/key"))
    assert result["kind"] == "no_directory"
    assert not list((home / "new").iterdir())


def place_for(user: str, directory: str) -> dict[str, Any]:
    entries = [key(state="file"), {"path": ".", "state": "directory"}]
    one = {"name": "test", "owner": user, "directory": directory, "entries": entries}
    return file_set.converge([one], {DIGEST: base64.b64encode(CONTENT).decode()}, False, False)[0]


def owner_and_mode(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_where_only_root_can_change_anything_root_places_files_for_others() -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    with tempfile.TemporaryDirectory(dir="/etc") as etc:  # belongs to root up to /
        os.chmod(etc, 0o755)
        made, given = Path(etc, "service"), Path(etc, "theirs")
        given.mkdir()
        os.chown(given, nobody, -1)
        for directory, owner, mode in ((made, 0, 0o755), (given, nobody, 0o755)):
            assert not place_for("nobody", str(directory)).get("failed")
            assert not place_for("nobody", str(directory))["changed"]
            assert owner_and_mode(directory) == (owner, mode)
            assert owner_and_mode(directory / "key") == (nobody, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has other users' rights")
@pytest.mark.parametrize("mode", [0o777, 0o1777])
def test_where_others_can_change_something_the_owner_s_rights_are_used(mode: int) -> None:
    with tempfile.TemporaryDirectory(dir="/etc") as etc:
        os.chmod(etc, mode)
        assert not place_for("nobody", f"{etc}/made").get("failed")
        assert Path(etc, "made").stat().st_uid == pwd.getpwnam("nobody").pw_uid


# --- services ---------------------------------------------------------------------------------------------------------


@pytest.fixture(name="systemd")
def _systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """A systemd with one service, which runs."""
    systemd = Systemd(tmp_path / "systemd")
    for name, value in systemd.environment.items():
        monkeypatch.setenv(name, value)
    systemd.start("xrootd")
    return systemd


def serve(home: Path, *entries: dict[str, Any], service: str = "xrootd", send: bool = True) -> dict[str, Any]:
    """The outcome of a set whose file ``key`` a service uses."""
    one = {
        "name": "host",
        "directory": str(home / "host"),
        "entries": [{"state": "file", **entry} for entry in entries],
    }
    used = {"services": [{"name": service, "state": "restarted"}], "watched": ["key"]}
    contents = {DIGEST: base64.b64encode(CONTENT).decode()} if send else {}
    (home / "host").mkdir(exist_ok=True)
    return file_set.converge([{**one, **used}], contents, False, False)[0]


def status(outcome: dict[str, Any]) -> str:
    (service,) = outcome["services"]
    return str(service["status"])


def test_a_service_owes_a_restart_until_it_started_after_its_file_changed(home: Path, systemd: Systemd) -> None:
    assert status(serve(home, key(), send=False)) == "current"  # there is no file yet
    assert status(serve(home, key())) == "owed"
    assert status(serve(home, key(), send=False)) == "owed"
    time.sleep(0.05)  # more than a tick of the clock, as every real restart takes
    systemd.start("xrootd")
    assert status(serve(home, key(), send=False)) == "current"
    time.sleep(0.05)
    (home / "host/key").chmod(0o644)
    assert status(serve(home, key(), send=False)) == "owed"


def test_a_set_that_fails_tells_what_its_services_owe(home: Path, systemd: Systemd) -> None:
    serve(home, key())
    (home / "host/other").mkdir()
    failed = serve(home, key(), key(path="other"))
    assert failed["kind"] == "is_directory"
    assert status(failed) == "owed"


def test_with_an_unknown_service_nothing_is_changed(home: Path, systemd: Systemd) -> None:
    outcome = serve(home, key(), service="xrotd")
    assert outcome["kind"] == "no_service"
    assert "'xrotd'" in outcome["msg"]
    assert list((home / "host").iterdir()) == []


def test_no_worker_has_a_say_in_what_services_are_restarted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = {"changed": False, "entries": [], "services": [{"name": "sshd"}], "change_times": {"/x": 1}}
    monkeypatch.setattr(file_set, "work", lambda _argument: dict(claim))
    outcome = converge(home, key())
    assert "services" not in outcome
    assert "change_times" not in outcome
