# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine, in a directory of the user who runs the tests."""

from __future__ import annotations

import ast
import base64
import contextlib
import dataclasses
import errno
import functools
import hashlib
import json
import os
import pwd
import resource
import shutil
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import apply, manifest, scan
from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.tests.support import pki
from ansible_collections.grid.security.tests.support.systemd import Systemd

CONTENT = b"key"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(name="home")
def _home(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def converge(home: Path, *entries: dict[str, Any], send: bool = True, check: bool = False) -> dict[str, Any]:
    one = {"name": "test", "directory": str(home), "entries": [{"state": "file", **entry} for entry in entries]}
    contents = {DIGEST: base64.b64encode(CONTENT).decode()} if send else {}
    return inspectors.converge([one], contents, check, False)[0]


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


def test_a_directory_is_removed_only_if_it_is_empty(home: Path) -> None:
    gone = {"path": "vo", "state": "absent", "empty_directory": True}
    (home / "vo").mkdir()
    (home / "vo/README").touch()
    converge(home, gone)
    assert (home / "vo/README").exists()
    (home / "vo/README").unlink()
    assert converge(home, gone, check=True)["changed"]
    assert converge(home, gone)["changed"]
    assert not list(home.iterdir())
    assert not converge(home, gone)["changed"]


def test_no_file_is_removed_in_place_of_a_directory(home: Path) -> None:
    (home / "vo").touch()
    assert converge(home, {"path": "vo", "state": "absent", "empty_directory": True})["failed"]
    assert (home / "vo").exists()


def test_a_directory_that_is_not_said_to_be_empty_stays(home: Path) -> None:
    (home / "vo").mkdir()
    assert converge(home, {"path": "vo", "state": "absent"})["error_code"] == "is_directory"
    assert (home / "vo").is_dir()


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


_ROOTS = {"_services"}  # functions that only the engine's own process calls


@pytest.mark.parametrize(
    "name",
    [
        "apply",
        "beside",
        "inspection",
        "entries",
        "engine",
        "../_credential/inspectors",
        "../_credential/key_files",
        "../_x509/certificate_der",
        "../_x509/crl",
        "../_x509/der",
        "../_x509/distinguished_name",
        "../_x509/pem",
        "manifest",
        "accounts",
        "answers",
        "channel",
        "child",
        "failures",
        "fork_server",
        "jobs",
        "report",
        "set_work",
        "worker",
        "plan",
        "scan",
        "secure_fs",
    ],
)
def test_nothing_is_imported_late(name: str) -> None:
    """Whoever works with a user's rights cannot read ansible's archive with the modules, which is root's."""
    tree = ast.parse((Path(apply.__file__).parent / f"{name}.py").read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name not in _ROOTS]
    late = [node for one in functions for node in ast.walk(one) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not late


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
    assert result["error_code"] == "not_a_directory"
    assert not list((home / "real").iterdir())


def test_directory_in_the_way_is_refused(home: Path) -> None:
    (home / "key").mkdir()
    assert converge(home, key())["error_code"] == "is_directory"


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
    assert result["error_code"] == "os_error"
    assert str(home) in result["msg"]


def test_directory_under_a_temporary_name_is_somebody_else_s(home: Path) -> None:
    converge(home, key())
    (home / ".grid-security-0123.tmp").mkdir()
    assert not converge(home, key(), send=False)["changed"]


def test_leftovers_count_when_a_directory_is_compared(home: Path) -> None:
    expected = {"patterns": ["*.pem"], "sha256": manifest.digest({})}
    one = {"name": "test", "directory": str(home), "entries": [], "manifest": expected}
    assert not inspectors.converge([one], {}, False, False)[0]["changed"]
    (home / ".grid-security-0123.tmp").write_bytes(b"half")
    result = inspectors.converge([one], {}, False, False)[0]
    assert result["changed"]
    assert list(result["found"]) == [".grid-security-0123.tmp"]


def test_directory_under_a_temporary_name_counts_for_nothing(home: Path) -> None:
    (home / ".grid-security-0123.tmp").mkdir()
    assert not scan.scan(str(home), ["*.pem"])


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
    assert result["error_code"] == "changed_meanwhile"
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
    assert result["error_code"] == "no_directory"
    assert not list((home / "new").iterdir())


def place_for(user: str, directory: str) -> dict[str, Any]:
    entries = [key(state="file"), {"path": ".", "state": "directory"}]
    one = {"name": "test", "owner": user, "directory": directory, "entries": entries}
    return inspectors.converge([one], {DIGEST: base64.b64encode(CONTENT).decode()}, False, False)[0]


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


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"a line\n", b"a line\n"), (b"x\n-----BEGIN PRIVATE KEY-----\n", None), (bytes((16 << 20) + 1), None)],
)
def test_a_text_in_place_is_told_as_a_whole_unless_it_is_a_key(home: Path, content: bytes, told: bytes | None) -> None:
    (home / "key").write_bytes(content)
    stored = converge(home, key(recall=True), send=False).get("stored")
    assert stored == (told and {str(home / "key"): base64.b64encode(told).decode()})


def test_a_text_that_is_not_there_is_not_told(home: Path) -> None:
    assert "stored" not in converge(home, key(recall=True), send=False)


# --- directories that others share, and paths -------------------------------------------------------------------------


def test_in_a_shared_directory_only_own_leftovers_count(tmp_path: Path) -> None:
    """Whoever may write to /tmp may leave there what looks like ours, in every run."""
    if os.geteuid() != 0:
        pytest.skip("only root looks at files of others")
    shared = Path(tempfile.mkdtemp(prefix="grid-security-test-", dir="/var/tmp"))
    try:
        leftover = shared / ".grid-security-x.tmp"
        leftover.write_bytes(b"half")
        os.chown(leftover, pwd.getpwnam("nobody").pw_uid, -1)
        for mode, counts in ((0o1777, False), (0o755, True), (0o1777, False)):
            shared.chmod(mode)
            converged = converge(shared, {"path": "key", "state": "absent"}, check=True)
            assert converged["changed"] is counts, oct(mode)
            assert bool(scan.scan(str(shared), ["*.pem"])) is counts
        os.chown(leftover, 0, -1)
        assert converge(shared, {"path": "key", "state": "absent"})["changed"]
        assert not leftover.exists()
    finally:
        shutil.rmtree(shared)


@pytest.mark.parametrize("name", ["key\0", "key\ud800"])
@pytest.mark.parametrize("where", ["path", "target", "directory"])
@pytest.mark.parametrize("owner", [None, "nobody"])
def test_what_no_file_can_be_called_is_one_clear_error(home: Path, name: str, where: str, owner: str | None) -> None:
    link = {"path": "link", "state": "link", "target": "key", **({where: name} if where != "directory" else {})}
    directory = f"{home}/{name}" if where == "directory" else str(home)
    one = {"name": "test", "owner": owner, "directory": directory, "entries": [link]}
    (result,) = inspectors.converge([one], {}, False, False)
    assert result["error_code"] == "bad_path"
    assert result["msg"].startswith(f"{where}: ")
    assert result["msg"].isprintable()
    assert not list(home.iterdir())


def test_an_owner_that_no_account_can_have_is_an_error_even_for_a_removal(home: Path) -> None:
    one = {"name": "t", "owner": "al\0ice", "directory": str(home), "entries": [{"path": "key", "state": "absent"}]}
    assert inspectors.converge([one], {}, False, False)[0]["error_code"] == "bad_owner"
    one["owner"] = "nobody-of-that-name"
    assert not inspectors.converge([one], {}, False, False)[0].get("failed")


def test_a_group_that_none_can_be_called(home: Path) -> None:
    assert converge(home, key(group="a\0b"))["error_code"] == "no_group"


def test_relative_directories_are_refused() -> None:
    one = {"name": "test", "directory": "certificates", "entries": [{"path": "key", "state": "absent"}]}
    assert inspectors.converge([one], {}, False, False)[0]["error_code"] == "bad_path"


def test_directory_directly_below_the_root() -> None:
    """What is above it is there, and stays as it is."""
    entries = [{"path": "..", "state": "directory", "initial_mode": "0755"}, {"path": ".", "state": "directory"}]
    one = {"name": "test", "directory": "/grid-security-of-a-test", "entries": entries}
    before = os.stat("/").st_mode
    (found,) = inspectors.converge([one], {}, True, False)
    assert [entry["path"] for entry in found["entries"]] == ["/grid-security-of-a-test"]
    assert found["paths"] == ["/", "/grid-security-of-a-test"]
    try:
        (made,) = inspectors.converge([one], {}, False, False)
        assert made.get("changed") or made["error_code"] == "os_error"
        (again,) = inspectors.converge([one], {}, False, False)
        assert again.get("failed") == made.get("failed")
        assert not again["changed"]
    finally:
        with contextlib.suppress(OSError):
            os.rmdir("/grid-security-of-a-test")
    assert os.stat("/").st_mode == before
    assert inspectors.converge([{**one, "directory": "/"}], {}, False, False)[0]["changed"] is False


# --- what is told of files --------------------------------------------------------------------------------------------

ALICE = pki.issue("Alice")
PEM_KEY = ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
DER = ALICE.certificate.public_bytes(Encoding.DER)


def replace(home: Path, before: bytes, **fields: Any) -> dict[str, Any]:
    """The outcome of replacing a file, with its diff."""
    (home / "key").write_bytes(before)
    (home / "key").chmod(0o644)
    one = {"name": "test", "directory": str(home), "entries": [{"state": "file", **key(**fields)}]}
    return inspectors.converge([one], {}, True, True)[0]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (ALICE.pem, ALICE.pem),
        (PEM_KEY + ALICE.pem, ALICE.pem),
        (ALICE.pem + PEM_KEY, ALICE.pem),
        (ALICE.pem + pki.issue("Bob").pem, ALICE.pem),
        (b"password: 4711\n" + ALICE.pem, ALICE.pem),
        (DER, ALICE.pem),
        (PEM_KEY + ALICE.pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE"), ALICE.pem),
        (DER + PEM_KEY, None),
        (PEM_KEY, None),
        (PEM_KEY.replace(b"PRIVATE KEY", b"CERTIFICATE"), None),
        (pem.encode("CERTIFICATE", DER + PEM_KEY), ALICE.pem),
        (ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), None),
        (b"half a certificate", None),
    ],
    ids=range(13),
)
def test_of_a_certificate_s_file_only_the_certificate_is_told(home: Path, before: bytes, told: bytes | None) -> None:
    found = replace(home, before, observe=True)
    observed = found.get("observed", {}).get(str(home / "key"))
    assert (base64.b64decode(observed) if observed else None) == told
    assert secret_lines(PEM_KEY) & set(json.dumps(found).replace("\\n", " ").split(" ")) == set()
    assert "4711" not in json.dumps(found)


def secret_lines(pem_key: bytes) -> set[str]:
    return {line for line in pem_key.decode().splitlines() if "-----" not in line}


@pytest.mark.parametrize("cut", [0, 30])
def test_no_private_key_shows_in_a_diff(home: Path, cut: int) -> None:
    text = b"shown\n" + PEM_KEY[: len(PEM_KEY) - cut]
    (shown,) = replace(home, text)["diff"]
    assert "-shown\n-# a private key is not shown\n" in shown["prepared"]
    assert not [line for line in secret_lines(PEM_KEY) if line[:20] in shown["prepared"]]


def test_of_somebody_else_s_files_only_certificates_show(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root works for others")
    place = Path(tempfile.mkdtemp(prefix="grid-security-test-", dir="/var/tmp"))
    try:
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
        (place / "key").write_bytes(b"password: 4711\n" + ALICE.pem)
        (place / "key").chmod(0o644)
        one = {"name": "test", "owner": "nobody", "directory": str(place), "entries": [{"state": "file", **key()}]}
        for contents in ({}, {DIGEST: base64.b64encode(CONTENT).decode()}):
            (found,) = inspectors.converge([one], contents, True, True)
            shown = found["diff"][0]["prepared"]
            assert "4711" not in shown
            assert f"-{ALICE.pem.decode().splitlines()[1]}" in shown
            assert ("+key" in shown) is bool(contents)
    finally:
        shutil.rmtree(place)


# --- looking for one name ---------------------------------------------------------------------------------------------


def exists(directory: Path | str, name: str = "certificates", owner: str | None = None) -> dict[str, Any]:
    one = {"name": "t", "owner": owner, "directory": str(directory), "entries": [], "exists": {"path": name}}
    return inspectors.converge([one], {}, False, False)[0]


def test_yes_or_no(home: Path) -> None:
    assert exists(home)["exists"] is False
    assert exists(home / "missing")["exists"] is False
    (home / "file").touch()
    assert exists(home / "file")["exists"] is False
    os.symlink(b"\xff", os.fsencode(home / "certificates"))
    found = exists(home)
    assert found == {"name": "t", "paths": [], "changed": False, "entries": [], "exists": True}
    (home / "link").symlink_to(".")
    assert exists(home / "link")["exists"] is True, "clients follow it, too"


def test_look_that_fails_says_so(home: Path) -> None:
    (home / "link").symlink_to("link")
    found = exists(home / "link")
    assert (found["failed"], found["error_code"]) == (True, "os_error")
    if os.geteuid() == 0:
        closed = Path(tempfile.mkdtemp(dir="/var/tmp"))
        try:
            os.chown(closed, pwd.getpwnam("daemon").pw_uid, -1)
            assert exists(closed, owner="nobody")["failed"]
        finally:
            closed.rmdir()


# --- comparing directories --------------------------------------------------------------------------------------------


def scan_of(home: Path, content: bytes, name: str = "one.pem") -> dict[str, Any]:
    (home / name).write_bytes(content)
    (home / name).chmod(0o644)
    return scan.scan(str(home), ["*"], inspectors.INSPECTORS, observe=True)[name]


def test_contents_with_keys_are_not_told(home: Path) -> None:
    assert "content" in scan_of(home, b"vo")
    assert "content" not in scan_of(home, b"vo\n" + PEM_KEY)


def test_contents_together_are_limited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_Scan", functools.partial(scan._Scan, told_left=100))
    for number in range(5):
        scan_of(home, b"x" * 40, f"{number}.pem")
    assert (
        sum("content" in facts for facts in scan.scan(str(home), ["*"], inspectors.INSPECTORS, observe=True).values())
        == 2
    )


def test_bytes_read_together_are_limited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_Scan", functools.partial(scan._Scan, read_left=100))
    for number in range(2):
        scan_of(home, b"x" * 40, f"{number}.pem")
    with pytest.raises(GridSecurityError) as caught:
        scan_of(home, b"x" * 40, "3.pem")
    assert caught.value.error_code == "too_large"


CA = pki.issue("CA", authority=True)


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (CA.pem, {"ca"}),
        (CA.certificate.public_bytes(Encoding.DER), {"ca"}),
        (pki.issue("User", issuer=CA).pem, set()),
        (CA.pem + PEM_KEY, {"ca", "private_key"}),
        (PEM_KEY[:-40], {"private_key"}),
        (PEM_KEY.replace(b"PRIVATE", b"RSA PRIVATE"), {"private_key"}),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", {"private_key"}),
        (CA.pem[:-60], set()),
        (b"", set()),
        (b"0\x80", set()),
    ],
    ids=range(10),
)
def test_what_a_pem_file_is(home: Path, content: bytes, kinds: set[str]) -> None:
    assert {"ca", "private_key"} & set(scan_of(home, content)) == kinds
    (home / "link.pem").symlink_to("one.pem")
    assert {"ca", "private_key"} & set(scan.scan(str(home), ["*"], inspectors.INSPECTORS)["link.pem"]) == kinds


def test_odd_names_and_targets(home: Path) -> None:
    for name in (b"\xff.pem", b"new\nline.pem", b"\x1b[31m.pem", b".grid-security-\n.tmp"):
        with open(os.fsencode(home) + b"/" + name, "wb"):
            pass
    targets = {"odd.pem": b"\xff", "long.pem": b"x" * 4000, "loop.pem": b"loop.pem", "dot.pem": b".", "away.pem": b"/x"}
    for name, target in targets.items():
        os.symlink(target, os.fsencode(home / name))
    one = {"name": "test", "directory": str(home), "entries": [], "manifest": {"patterns": ["*"], "sha256": ""}}
    (result,) = inspectors.converge([one], {}, False, False)
    assert set(result["found"]) == set(targets)
    assert result["found"]["odd.pem"]["target"] == r"\xff"
    assert {name for name, facts in result["found"].items() if facts.get("dangling")} == {"odd.pem"}
    json.dumps(result, ensure_ascii=False).encode()


def test_a_directory_that_is_as_it_should_be_is_not_read_for_more(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "one.pem").write_bytes(CA.pem)
    blind = dataclasses.replace(inspectors.INSPECTORS, describe_file=None, describe_linked=None)
    monkeypatch.setattr(inspectors, "INSPECTORS", blind)
    expected = manifest.digest(scan.scan(str(home), ["*"]))
    one = {"name": "t", "directory": str(home), "entries": [], "manifest": {"patterns": ["*"], "sha256": expected}}
    assert inspectors.converge([one], {}, False, False)[0]["changed"] is False


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
    return inspectors.converge([{**one, **used}], contents, False, False)[0]


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
    assert failed["error_code"] == "is_directory"
    assert status(failed) == "owed"


def test_with_an_unknown_service_nothing_is_changed(home: Path, systemd: Systemd) -> None:
    outcome = serve(home, key(), service="xrotd")
    assert outcome["error_code"] == "no_service"
    assert "'xrotd'" in outcome["msg"]
    assert list((home / "host").iterdir()) == []


def test_no_worker_has_a_say_in_what_services_are_restarted(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = {"changed": False, "entries": [], "services": [{"name": "sshd"}], "change_times": {"/x": 1}}
    monkeypatch.setattr(inspectors, "work", lambda _argument: dict(claim))
    outcome = converge(home, key())
    assert "services" not in outcome
    assert "change_times" not in outcome


ENTRY = {"path": "/x", "changes": ["created"]}


@pytest.mark.parametrize(
    "claim",
    [
        {"changed": 1},
        {"entries": 7},
        {"entries": [["path", "changes"]]},
        {"entries": [{"path": "/x"}]},
        {"entries": [{**ENTRY, "changes": 7}]},
        {"entries": [{**ENTRY, "path": ["/x"]}]},
        {"needs": DIGEST},
        {"needs": [hashlib.sha256(b"another user's").hexdigest()]},
        {"needs": [[DIGEST]]},
        {"observed": ["text"]},
        {"observed": {"/x": "a"}},
        {"observed": {"/x": None}},
        {"key_files": "text"},
        {"left": [None]},
        {"diff": {"prepared": "text"}},
    ],
    ids=str,
)
def test_a_malformed_answer_fails_its_own_set_only(
    home: Path, monkeypatch: pytest.MonkeyPatch, claim: dict[str, Any]
) -> None:
    good = {"changed": True, "entries": [ENTRY], "needs": [DIGEST], "observed": {"/x": "YQ=="}}
    said = iter([{**good, **claim}, good])
    monkeypatch.setattr(inspectors, "work", lambda _argument: next(said))
    sets = [{"name": name, "directory": str(home), "entries": [{"state": "file", **key()}]} for name in ("bad", "good")]
    bad, other = inspectors.converge(sets, {}, False, False)
    assert (bad["error_code"], bad["changed"]) == ("bad_answer", False)
    assert f"answered with a value of {next(iter(claim))} that cannot be used" in bad["msg"]
    assert other == {**good, "name": "good", "paths": [str(home / "key")]}


def test_an_answer_cannot_pass_for_that_of_another_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = {"changed": False, "entries": [], "name": "root", "paths": ["/etc/passwd"]}
    monkeypatch.setattr(inspectors, "work", lambda _argument: dict(claim))
    outcome = converge(home, key())
    assert (outcome["name"], outcome["paths"]) == ("test", [str(home / "key")])
