# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the states of CRLs in a trust directory, as clients judge them."""

from __future__ import annotations

import datetime
import errno
import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters, crl_store
from ansible_collections.grid.security.plugins.module_utils._x509 import crl
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
HASHES = ROOT.facts.hashes
NOW = pki.NOW.replace(tzinfo=datetime.timezone.utc)
GOOD = pki.revoke(ROOT, [7], number=3, days=11)  # ten days from now
OLD = pki.revoke(ROOT, [], number=2, start=-20, days=5)
EARLY = pki.revoke(ROOT, [], number=4, start=5)


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "root.crl_url").write_text("http://example.org/root.crl\n")
    return tmp_path


def place(store: Path, data: bytes, number: int = 0, hashes: tuple[str, ...] = HASHES) -> None:
    for digest in hashes:
        (store / f"{digest}.r{number}").write_bytes(data)


def look(store: Path, hours: float = 24) -> dict[str, Any]:
    (found,) = crl_store.survey(str(store), hours, NOW)
    return found


def test_fresh(store: Path) -> None:
    place(store, GOOD)
    found = look(store)
    assert found.pop("sha256") == hashlib.sha256(GOOD).hexdigest()
    assert found == {
        "alias": "root",
        "issuer": "/DC=org/DC=example/CN=Root",
        "state": "fresh",
        "file": str(store / f"{HASHES[0]}.r0"),
        "number": 3,
        "this_update": times.iso(NOW - pki.DAY),
        "next_update": times.iso(NOW + 10 * pki.DAY),
        "hours_left": 240,
        "expired_files": [],
        "msg": None,
        "excluded": False,
        "reason": None,
    }
    assert crl_store.warnings([found]) == []


@pytest.mark.parametrize(("hours", "state"), [(0, "fresh"), (240, "fresh"), (240.5, "expiring"), (1000, "expiring")])
def test_hours(store: Path, hours: float, state: str) -> None:
    place(store, GOOD)
    assert look(store, hours)["state"] == state


@pytest.mark.parametrize(
    ("data", "state", "warning"),
    [
        (None, "missing", "CRLs missing: root"),
        (OLD, "expired", "CRLs expired: root"),
        (EARLY, "not_yet_valid", "CRLs not yet valid: root"),
        (GOOD[:-40], "damaged", "CRLs damaged: root"),
        (crl.read(GOOD).der, "damaged", "CRLs damaged: root"),
        (b"", "damaged", "CRLs damaged: root"),
        (pki.revoke(pki.issue("Other"), []), "missing", "CRLs missing: root"),
    ],
)
def test_states(store: Path, data: bytes | None, state: str, warning: str) -> None:
    if data is not None:
        place(store, data)
    found = look(store)
    assert found["state"] == state
    assert [line.split(".")[0] for line in crl_store.warnings([found])] == [warning]
    assert bool(found["msg"]) is (state == "damaged")
    assert len(found["expired_files"]) == (2 if state == "expired" else 0)


def test_the_worse_of_both_hashes_counts(store: Path) -> None:
    for first, second, state in ((GOOD, OLD, "expired"), (OLD, GOOD, "expired"), (GOOD, GOOD[:-40], "damaged")):
        place(store, first, hashes=HASHES[:1])
        place(store, second, hashes=HASHES[1:])
        assert look(store)["state"] == state
    (store / f"{HASHES[1]}.r0").unlink()
    assert look(store)["state"] == "missing"


def test_the_best_of_several_counts(store: Path) -> None:
    place(store, OLD)
    place(store, GOOD, number=1)
    found = look(store)
    assert (found["state"], found["file"]) == ("fresh", str(store / f"{HASHES[0]}.r1"))
    assert found["expired_files"] == [str(store / f"{digest}.r0") for digest in HASHES]
    place(store, pki.revoke(ROOT, [], number=5, days=90), number=2)
    assert look(store)["number"] == 5


def test_layouts(store: Path) -> None:
    """As releases of IGTF lay it out: links from hashes, some with an .info of their own; and by hash alone."""
    (store / f"{HASHES[0]}.0").symlink_to("root.pem")
    (store / f"{HASHES[0]}.info").symlink_to("root.info")
    (store / "root.info").write_text("alias = root\ncrl_url = http://example.org/root.crl\n")
    assert look(store)["alias"] == "root"
    for name in ("root.info", "root.crl_url"):
        (store / name).unlink()
    (store / f"{HASHES[0]}.info").unlink()
    assert crl_store.survey(str(store), 0, NOW) == []
    (store / f"{HASHES[0]}.crl_url").write_text("http://example.org/root.crl\n")
    assert look(store)["alias"] == HASHES[0]


def test_authorities_without_a_list_need_none(store: Path) -> None:
    (store / "root.crl_url").write_text("# none\n")
    (store / "gone.crl_url").write_text("http://example.org/gone.crl\n")
    assert crl_store.survey(str(store), 0, NOW) == []


def test_damaged_certificate(store: Path) -> None:
    (store / "root.pem").write_bytes(ROOT.pem[:-90] + b"-----END CERTIFICATE-----\n")
    found = look(store)
    assert (found["state"], found["issuer"]) == ("damaged", None)
    assert "certificate of root" in found["msg"]


def test_nothing_hangs(store: Path) -> None:
    os.mkfifo(store / f"{HASHES[0]}.r0")
    assert look(store)["state"] == "damaged"


def test_directories_in_place_of_files_are_no_files(store: Path) -> None:
    for name in (f"{HASHES[0]}.r0", "root.info"):
        (store / name).unlink(missing_ok=True)
        (store / name).mkdir()
    before = len(os.listdir("/dev/fd"))
    assert look(store)["state"] == "damaged"
    assert len(os.listdir("/dev/fd")) == before


ITEMS: list[Any] = [
    "root",
    "r?ot",
    "/DC=org/DC=example/CN=Root",
    "CN=Root,DC=example,DC=org",
    "DC = org, DC = example, CN = R*",
    ROOT.certificate.fingerprint(SHA1()).hex(),  # as IGTF writes it in its .info
    ROOT.certificate.fingerprint(SHA256()).hex(":").upper(),
]
ITEMS += [{"alias": "root", "reason": "closed"}, {"dn": "/*", "reason": "closed"}]


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_exceptions_are_marked_and_not_warned_of(store: Path, item: Any) -> None:
    exclusions = anchor_filters.read_exclusions(["other", item])
    (found,) = crl_store.survey(str(store), 24, NOW, exclusions)
    assert (found["state"], found["excluded"]) == ("missing", True)
    assert found["reason"] == (None if isinstance(item, str) else "closed")
    assert crl_store.warnings([found]) == []


@pytest.mark.parametrize("item", ["CN=Root,O=example", {"dn": "DC=org/CN=Root", "reason": "closed"}])
def test_dns_of_no_form_are_refused(item: Any) -> None:
    with pytest.raises(GridSecurityError, match="Write the DN as openssl"):
        anchor_filters.read_exclusions([item])


@pytest.mark.parametrize("item", ["roo", "/CN=Root", "oot", "ROOT", "00" * 20, "00" * 32])
def test_others_are_no_exceptions(store: Path, item: str) -> None:
    (found,) = crl_store.survey(str(store), 24, NOW, anchor_filters.read_exclusions([item]))
    assert not found["excluded"]
    assert len(crl_store.warnings([found])) == 1


def test_a_warning_names_some_of_many() -> None:
    crls = [{"alias": f"ca{number}", "state": "expired", "excluded": False} for number in range(200)]
    (warning,) = crl_store.warnings(crls)
    assert "ca9 and 190 more" in warning
    assert len(warning) < 300


@pytest.mark.parametrize("name", ["nowhere", "root.pem"])
def test_no_directory(store: Path, name: str) -> None:
    with pytest.raises(GridSecurityError, match=name) as caught:
        crl_store.survey(str(store / name), 0, NOW)
    assert caught.value.error_code == "no_directory"


def test_names_that_are_no_text_are_left_out(store: Path) -> None:
    place(store, GOOD)
    os.link(os.fsencode(store / "root.pem"), os.fsencode(store) + b"/\xff.pem")
    os.link(os.fsencode(store / "root.crl_url"), os.fsencode(store) + b"/\xff.crl_url")
    assert look(store)["alias"] == "root"


def test_directory_with_too_many_files(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crl_store, "_MOST_FILES", 3)
    place(store, GOOD)
    with pytest.raises(GridSecurityError) as caught:
        look(store)
    assert caught.value.error_code == "too_many_files"


def test_what_is_read_is_limited(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crl_store, "_MOST_BYTES", 15 * len(GOOD))
    for number in range(10):
        place(store, GOOD, number)
    with pytest.raises(GridSecurityError) as caught:
        look(store)
    assert caught.value.error_code == "too_large"


def test_each_list_is_read_once_however_many_cas_have_its_name(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(store, GOOD)
    for number in range(20):
        (store / f"copy{number}.pem").write_bytes(ROOT.pem + str(number).encode())
        (store / f"copy{number}.crl_url").write_text("http://example.org/root.crl\n")
    paths: list[str] = []
    read = crl_store._read
    monkeypatch.setattr(crl_store, "_read", lambda path, limit: (paths.append(path), read(path, limit))[1])
    found = crl_store.survey(str(store), 24, NOW)
    assert [one["state"] for one in found] == ["fresh"] * 21
    lists = [path for path in paths if path.endswith(".r0")]
    assert sorted(lists) == sorted(str(store / f"{digest}.r0") for digest in HASHES)


def test_bytes_are_not_kept(store: Path) -> None:
    """Any number of hard links may lead to one list of many MiB."""
    place(store, pki.revoke(ROOT, list(range(1, 2000)), number=5))
    for number in range(1, 200):
        for digest in HASHES:
            os.link(store / f"{digest}.r0", store / f"{digest}.r{number}")
    tracemalloc.start()
    try:
        look(store)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    buffer = crl.LARGEST  # Python has room for as much as it is asked to read
    assert peak < buffer + 50 * (store / f"{HASHES[0]}.r0").stat().st_size


@pytest.mark.parametrize("path", ["/etc/\0", "/etc/\udcff"])
def test_paths_that_no_directory_has(path: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        crl_store.survey(path, 24, NOW)
    assert caught.value.error_code == "bad_path"


# --- bounds -----------------------------------------------------------------------------------------------------------

HOUR = datetime.timedelta(hours=1)


@pytest.mark.parametrize(
    ("start", "end", "state"),
    [
        (0, 24, "fresh"),
        (-1, None, "fresh"),
        (0.01, 24, "not_yet_valid"),
        (0.01, None, "not_yet_valid"),
        (-1, 0, "expired"),
        (-1, 0.01, "expiring"),
        (-1, 23.99, "expiring"),
    ],
)
def test_the_state_by_the_times(start: float, end: float | None, state: str) -> None:
    next_update = None if end is None else NOW + end * HOUR
    assert crl_store.judge(NOW + start * HOUR, next_update, 24, NOW) == state


@pytest.mark.parametrize(("most", "is_read"), [(4, True), (3, False)])
def test_the_number_of_files_at_the_bound(
    store: Path, monkeypatch: pytest.MonkeyPatch, most: int, is_read: bool
) -> None:
    place(store, GOOD)
    monkeypatch.setattr(crl_store, "_MOST_FILES", most)
    if is_read:
        assert look(store)["state"] == "fresh"
    else:
        with pytest.raises(GridSecurityError) as caught:
            look(store)
        assert caught.value.error_code == "too_many_files"


@pytest.mark.parametrize("missing", [0, 1])
def test_the_bytes_of_all_files_at_the_bound(store: Path, monkeypatch: pytest.MonkeyPatch, missing: int) -> None:
    place(store, GOOD)
    total = sum(path.stat().st_size for path in store.iterdir())
    monkeypatch.setattr(crl_store, "_MOST_BYTES", total - missing)
    if missing:
        with pytest.raises(GridSecurityError) as caught:
            look(store)
        assert caught.value.error_code == "too_large"
    else:
        assert look(store)["state"] == "fresh"


@pytest.mark.parametrize("extra", [0, 1])
def test_the_size_of_a_crl_at_the_bound(store: Path, monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    monkeypatch.setattr(crl, "LARGEST", len(GOOD) - extra)
    place(store, GOOD)
    assert look(store)["state"] == ("damaged" if extra else "fresh")


def test_certificates_under_other_endings(store: Path) -> None:
    for ending in ("0", "crt"):
        (store / "root.pem").rename(store / f"other.{ending}")
        (store / "root.crl_url").rename(store / "other.crl_url")
        assert look(store)["alias"] == "other"
        (store / f"other.{ending}").rename(store / "root.pem")
        (store / "other.crl_url").rename(store / "root.crl_url")


def test_an_alias_comes_before_a_hash_with_the_same_certificate(store: Path) -> None:
    for stem in ("0aaaaaaa", "zz"):
        (store / f"{stem}.crl_url").write_text("http://example.org/root.crl\n")
        (store / f"{stem}.0").write_bytes(ROOT.pem)
    assert look(store)["alias"] == "root"


def test_empty_certificates_are_told_each(store: Path) -> None:
    for name in ("one", "two"):
        (store / f"{name}.pem").write_bytes(b"")
        (store / f"{name}.crl_url").write_text("http://example.org/root.crl\n")
    found = {one["alias"]: one["state"] for one in crl_store.survey(str(store), 24, NOW)}
    assert found == {"root": "missing", "one": "damaged", "two": "damaged"}


def test_a_certificate_of_version_1(store: Path) -> None:
    (store / "root.pem").write_bytes(pki.version_1(ROOT).pem)
    place(store, GOOD)
    assert look(store)["state"] == "fresh"


@pytest.mark.parametrize(("end", "hours"), [(90, 1), (59, 0), (-30, -1)])
def test_hours_that_are_left(store: Path, end: int, hours: int) -> None:
    place(store, GOOD)
    now = NOW + 10 * pki.DAY - datetime.timedelta(minutes=end)
    (found,) = crl_store.survey(str(store), 24, now)
    assert found["hours_left"] == hours
    assert found["state"] == ("expiring" if end > 0 else "expired")


def test_the_list_that_is_good_for_longer_counts(store: Path) -> None:
    for numbers in ((0, 1), (1, 0)):
        place(store, pki.revoke(ROOT, [], number=1, days=50), numbers[0])
        place(store, pki.revoke(ROOT, [], number=2, days=40), numbers[1])
        assert look(store)["number"] == 1


def test_no_warning_about_what_is_good_or_excluded() -> None:
    for state in crl_store.STATES:
        is_told = state not in ("fresh", "expiring")
        assert bool(crl_store.warnings([{"alias": "a", "state": state, "excluded": False}])) is is_told
        assert crl_store.warnings([{"alias": "a", "state": state, "excluded": True}]) == []


def test_names_that_are_no_crl_are_left_out(store: Path) -> None:
    for name in (f"{HASHES[0]}.r", f"{HASHES[0]}.r0x", f"x{HASHES[0]}.r0", "abc.r0"):
        (store / name).write_bytes(GOOD)
    assert look(store)["state"] == "missing"
    assert list(crl_store.crls(str(store))) == []
    (store / f"{HASHES[0]}.r12").write_bytes(GOOD)
    assert [path for path, _crl in crl_store.crls(str(store))] == [f"{store}/{HASHES[0]}.r12"]


@pytest.mark.parametrize(("data", "words"), [(GOOD[:-40], "is truncated"), (b"<html>", "is no CRL"), (b"", "is empty")])
def test_the_damage_is_told(store: Path, data: bytes, words: str) -> None:
    place(store, data)
    assert look(store)["msg"].startswith(f"{store}/{HASHES[0]}.r0 {words}")


def test_a_missing_crl_has_no_facts(store: Path) -> None:
    found = look(store)
    facts = ("file", "sha256", "number", "this_update", "next_update", "hours_left", "msg")
    assert {name: found[name] for name in facts} == dict.fromkeys(facts)


@pytest.mark.parametrize(("error", "code"), [(errno.EACCES, "no_access"), (errno.EIO, "os_error")])
def test_a_directory_that_cannot_be_read(store: Path, monkeypatch: pytest.MonkeyPatch, error: int, code: str) -> None:
    def scandir(_path: str) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(crl_store.os, "scandir", scandir)
        with pytest.raises(GridSecurityError, match=str(store)) as caught:
            crl_store.survey(str(store), 24, NOW)
    assert caught.value.error_code == code
