# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and tarballs as sources: the same tree has the same files, and the stamp sees each of them."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    anchor_sources,
    source_files,
    source_options,
    source_stamps,
    trust_anchors,
    verified,
)
from ansible_collections.grid.security.tests.support import pki

SOURCE = {name: spec.get("default") for name, spec in source_options.SOURCE.items()}
ONE, TWO = pki.issue("One", authority=True), pki.issue("Two", authority=True)


def read(path: Path, crls: bool = True) -> list[anchor_sources.Group]:
    return anchor_sources.read({**SOURCE, "src": str(path)}, str, verified.fetch, crls)


def found(path: Path) -> dict[str, bytes]:
    """Return the content of all files by the last directory and the name."""
    groups = read(path)
    return {f"{one.directory}/{name}": data for one in groups for name, data in {**one.files, **one.crls}.items()}


def kind(path: Path) -> str:
    with pytest.raises(GridSecurityError) as caught:
        read(path)
    return caught.value.error_code


def stamp(path: Path) -> source_stamps.Stamp:
    return source_stamps.take(SimpleNamespace(find=str), [{**SOURCE, "src": str(path)}])


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    deepest = tree / "a/b/c/d"
    deepest.mkdir(parents=True)
    for directory, name in (
        (tree, "top.pem"),
        (tree / "a", "one.crt"),
        (tree / "a/b", "alias.0"),
        (deepest, "deep.der"),
    ):
        (directory / name).write_bytes(name.encode())
    (tree / "a/b/alias.info").write_bytes(b"info")
    (deepest / "deep.crl").write_bytes(b"crl")
    return tree


def test_a_directory_and_the_tarball_of_it_have_the_same_files(tree: Path, tmp_path: Path) -> None:
    (tree / "a/b/01234567.0").symlink_to("alias.0")
    (tree / "linked.pem").symlink_to("a/one.crt")
    (tree / "gone.pem").symlink_to("nowhere")
    for name in ("._top.pem", ".git/config.pem", "a/b/lonely.0", "README", "a/openssl.cnf"):
        (tree / name).parent.mkdir(exist_ok=True)
        (tree / name).write_bytes(b"ignored")
    with tarfile.open(tmp_path / "tree.tar.gz", "w:gz") as archive:
        archive.add(tree, "")
    names = ["/linked.pem", "/top.pem", "a/one.crt", "b/01234567.0", "b/alias.0", "b/alias.info", "d/deep.crl"]
    listed = found(tmp_path / "tree.tar.gz")
    assert sorted(listed) == [*names, "d/deep.der"]
    assert {name.replace("tree/", "/"): data for name, data in found(tree).items()} == listed


@pytest.mark.parametrize("place", ["top.pem", "a/one.crt", "a/b/alias.0", "a/b/c/d/deep.der", "a/b/c/d/deep.crl"])
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"other"),
        lambda path: path.unlink(),
        lambda path: path.rename(path.with_name("other.pem")),
        lambda path: (path.parent / "new.p7b").write_bytes(b"new"),
        lambda path: ((path.parent / "new").mkdir(), (path.parent / "new/new.pem").write_bytes(b"new")),
    ],
)
def test_the_stamp_sees_changes_at_each_depth(tree: Path, place: str, change: Callable[[Path], Any]) -> None:
    before = stamp(tree)
    assert stamp(tree) == before
    change(tree / place)
    assert (stamp(tree).anchors, stamp(tree).crls) != (before.anchors, before.crls)


def test_a_companion_makes_a_numbered_file_count(tree: Path) -> None:
    (tree / "late.0").write_bytes(b"late")
    assert "tree/late.0" not in found(tree)
    before = stamp(tree)
    (tree / "late.signing_policy").write_bytes(b"")
    assert "tree/late.0" in found(tree)
    assert stamp(tree).anchors != before.anchors


# --- links to directories ---------------------------------------------------------------------------------------------


def test_links_to_directories_are_read_once(tree: Path, tmp_path: Path) -> None:
    """Real directories come first: their names are profiles."""
    other = tmp_path / "other"
    (other / "below").mkdir(parents=True)
    (other / "below/other.pem").write_bytes(b"other")
    (other / "back").symlink_to(tree)
    (tree / "0-same").symlink_to("a")
    (tree / "loop").symlink_to(".")
    (tree / "a/b/up").symlink_to("../..")
    (tree / "itself").symlink_to("itself")
    (tree / "a/elsewhere").symlink_to(other)
    (tree / "z-again").symlink_to(other / "below")
    names = ["a/one.crt", "b/alias.0", "b/alias.info", "d/deep.crl", "d/deep.der", "tree/top.pem"]
    assert sorted(found(tree)) == [*names, "z-again/other.pem"]


def test_a_source_that_is_a_link(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tree)
    assert len(found(tmp_path / "link")) == len(found(tree))


# --- limits -----------------------------------------------------------------------------------------------------------


def test_depth_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "/".join(["x"] * 32)).mkdir(parents=True)
    assert read(tmp_path) == []
    (tmp_path / "/".join(["x"] * 33)).mkdir()
    assert kind(tmp_path) == "too_large"
    with pytest.raises(GridSecurityError, match="directories in more than 32 levels"):
        stamp(tmp_path)


def test_the_number_of_files_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = sum(len(directories) + len(files) for _path, directories, files in os.walk(tree))
    monkeypatch.setattr(source_files, "MOST_FILES", entries)
    assert len(found(tree)) == 6
    (tree / "a/b/c/README").write_bytes(b"")
    assert kind(tree) == "too_large"


def test_the_size_of_a_directory_is_bounded(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_sources, "_LARGEST_SOURCE", sum(map(len, found(tree).values())) - len(b"crl"))
    assert len(found(tree)) == 6
    (tree / "a/b/c/more.pem").write_bytes(b"x")
    assert kind(tree) == "too_large"


# --- what is made of it -----------------------------------------------------------------------------------------------


def test_every_form_is_placed_as_pem(tmp_path: Path) -> None:
    (tmp_path / "one.cer").write_bytes(pki.certificates_only(ONE.certificate))
    (tmp_path / "one.info").write_text("alias = one\n")
    (tmp_path / "both.p7b").write_bytes(pki.certificates_only(ONE.certificate, TWO.certificate))
    placed = anchor_reading.collect(read(tmp_path)).anchors
    assert [(anchor.alias, anchor.pem) for anchor in placed] == [("Two", TWO.pem), ("one", ONE.pem)]


@pytest.mark.parametrize("name", ["ca.cer", "ca.der", "ca.crt", "ca.pem", "ca.CER", "ca"])
def test_a_file_is_read_by_content(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pki.certificates_only(ONE.certificate))
    (placed,) = anchor_reading.collect(read(tmp_path / name)).anchors
    assert (placed.alias, placed.pem) == ("ca", ONE.pem)


def test_a_package_is_named_whatever_its_size(tmp_path: Path) -> None:
    path = tmp_path / "igtf-policy-classic.deb"
    path.write_bytes(b"!<arch>\ndebian-binary" + bytes(2 << 20))
    with pytest.raises(GridSecurityError, match=f"^{path} is a Debian package. Unpack it: dpkg-deb -x FILE DIRECTORY$"):
        read(path)


def test_a_file_of_a_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"PK\3\4")
    options = {name: spec.get("default") for name, spec in trust_anchors.OPTIONS.items()}
    with pytest.raises(GridSecurityError, match=f"^{tmp_path}/ca.pem is a zip archive. Unpack it: unzip FILE\n"):
        anchor_selection.refuse(anchor_reading.collect(read(tmp_path)).unusable, options)


@pytest.mark.parametrize("form", ["directory", "tarball", "file"])
def test_a_file_that_is_too_large_costs_only_itself(tmp_path: Path, form: str) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "huge.pem").write_bytes(ONE.pem + bytes(source_files.LARGEST))
    if form != "file":
        (tree / "one.pem").write_bytes(ONE.pem)
        (tree / "two.pem").write_bytes(TWO.pem)
        (tree / "two.signing_policy").write_bytes(b"#" * (source_files.LARGEST + 1))
    tarball = tmp_path / "tree.tar"
    with tarfile.open(tarball, "w") as archive:
        archive.add(tree, "certs")
    source, where = {
        "directory": (tree, f"{tree}/"),
        "tarball": (tarball, "tree.tar:certs/"),
        "file": (tree / "huge.pem", f"{tree}/"),
    }[form]
    for crls in (False, True):
        found = anchor_reading.collect(read(source, crls))
        assert [one.alias for one in found.anchors] == ([] if form == "file" else ["one"])
        assert [(one.error.error_code, one.error.message) for one in found.unusable] == [
            ("too_large", f"{where}{name} is larger than 1 MiB, so it is no file of a CA. Check the source.")
            for name in ("huge.pem", "two.signing_policy")[: 1 if form == "file" else 2]
        ]
        options = {name: spec.get("default") for name, spec in trust_anchors.OPTIONS.items()}
        assert anchor_selection.refuse(found.unusable, {**options, "exclude": ["huge", "two"]}) == []


# --- bounds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "is_read"), [(6, True), (5, False)])
def test_the_size_of_a_directory_is_limited_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, is_read: bool
) -> None:
    """CRLs count by themselves, and only if they are read."""
    for name in ("a.pem", "b.pem", "a.crl", "b.crl"):
        (tmp_path / name).write_bytes(b"123")
    for limit in ("_LARGEST_SOURCE", "_MOST_CRLS"):
        with monkeypatch.context() as patch:
            patch.setattr(anchor_sources, limit, most)
            assert is_read or kind(tmp_path) == "too_large"
            if is_read:
                assert len(found(tmp_path)) == 4
    monkeypatch.setattr(anchor_sources, "_MOST_CRLS", 0)
    assert [list(one.files) for one in read(tmp_path, crls=False)] == [["a.pem", "b.pem"]]


def test_what_is_too_large_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pem").write_bytes(b"123")
    (tmp_path / "a.crl").write_bytes(b"123")
    for limit, words in (("_LARGEST_SOURCE", "its files have"), ("_MOST_CRLS", "its CRLs have")):
        with monkeypatch.context() as patch:
            patch.setattr(anchor_sources, limit, 2)
            with pytest.raises(GridSecurityError, match=words):
                read(tmp_path)


@pytest.mark.parametrize(("size", "is_read"), [(100, True), (101, False)])
def test_the_size_of_a_single_file_is_limited_to_the_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, is_read: bool
) -> None:
    monkeypatch.setattr(anchor_sources.tarballs, "LARGEST", 100)
    (tmp_path / "a.pem").write_bytes(bytes(size))
    if is_read:
        assert list(found(tmp_path / "a.pem").values()) == [bytes(size)]
    else:
        assert kind(tmp_path / "a.pem") == "too_large"


def test_the_limit_of_a_single_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anchor_sources.tarballs, "LARGEST", 3 << 20)
    (tmp_path / "a.pem").write_bytes(bytes((3 << 20) + 1))
    with pytest.raises(GridSecurityError, match="larger than 3 MiB"):
        read(tmp_path / "a.pem")


@pytest.mark.parametrize("is_tarball", [True, False])
def test_large_files_are_cut_off_one_byte_above_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_tarball: bool
) -> None:
    """So that they are known to be too large."""
    monkeypatch.setattr(source_files, "LARGEST", 10)
    monkeypatch.setattr(anchor_sources.crl, "LARGEST", 20)
    (tmp_path / "in").mkdir()
    for name in ("a.pem", "a.crl"):
        (tmp_path / "in" / name).write_bytes(bytes(99))
    with tarfile.open(tmp_path / "in.tar", "w") as archive:
        archive.add(tmp_path / "in", "in")
    path = tmp_path / ("in.tar" if is_tarball else "in")
    sizes = {name: len(data) for name, data in found(path).items()}
    assert sizes == ({"in/a.pem": 21, "in/a.crl": 21} if is_tarball else {"in/a.pem": 11, "in/a.crl": 20})
    (without,) = read(path, crls=False)
    assert ({name: len(data) for name, data in without.files.items()}, without.crls) == ({"a.pem": 11}, {})


def test_a_single_file_has_no_directory(tmp_path: Path) -> None:
    (tmp_path / "README").write_bytes(ONE.pem)
    (group,) = read(tmp_path / "README")
    assert (group.files, group.is_directory) == ({"README.pem": ONE.pem}, False)
    assert group.path("README.pem") == str(tmp_path / "README")
    (tmp_path / "a.pem").write_bytes(ONE.pem)
    (group,) = read(tmp_path)
    assert group.path("a.pem") == f"{tmp_path}/a.pem"
    assert anchor_sources.Group("x.tar:", "", {}).path("a.pem") == "x.tar:a.pem"


@pytest.mark.parametrize("option", ["checksum", "signature"])
def test_a_directory_has_neither_checksum_nor_signature(tmp_path: Path, option: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        anchor_sources.read({**SOURCE, "src": str(tmp_path), option: "x"}, str, verified.fetch)
    assert caught.value.error_code == "directory"


def test_what_is_fetched_or_inline_is_checked_too() -> None:
    source = {**SOURCE, "url": "https://example.org/ca.pem", "checksum": f"sha256:{'0' * 64}"}
    with pytest.raises(GridSecurityError) as caught:
        anchor_sources.read(source, str, lambda _url: ONE.pem)
    assert caught.value.error_code == "bad_checksum"
    source = {**SOURCE, "content": ONE.pem.decode(), "checksum": f"sha256:{'0' * 64}"}
    with pytest.raises(GridSecurityError) as caught:
        anchor_sources.read(source, str, lambda _url: b"")
    assert caught.value.error_code == "bad_checksum"


# --- stamps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "is_fresh"), [(0, True), (1_999_999_999, True), (2_000_000_000, False)])
def test_a_change_within_two_seconds_is_fresh(monkeypatch: pytest.MonkeyPatch, age: int, is_fresh: bool) -> None:
    monkeypatch.setattr(source_stamps.time, "time_ns", lambda: 10**18 + age)
    assert source_stamps.Stamp("", "", 10**18).is_fresh is is_fresh


def test_crls_have_a_digest_of_their_own(tree: Path) -> None:
    before = stamp(tree)
    (tree / "a/b/c/d/deep.crl").write_bytes(b"another")
    after = stamp(tree)
    assert (after.anchors, after.crls != before.crls) == (before.anchors, True)
    (tree / "top.pem").write_bytes(b"another")
    assert (stamp(tree).anchors != after.anchors, stamp(tree).crls) == (True, after.crls)


def test_a_stamp_is_taken_once_per_task_and_set_of_sources(tree: Path) -> None:
    action = SimpleNamespace(find=str)
    first = source_stamps.take(action, [{**SOURCE, "src": str(tree)}])
    (tree / "top.pem").write_bytes(b"another")
    assert source_stamps.take(action, [{**SOURCE, "src": str(tree)}]) == first
    assert source_stamps.take(action, [{**SOURCE, "src": str(tree / "a")}]) != first
    assert stamp(tree) != first


@pytest.mark.parametrize("name", ["signature", "keyring"])
def test_signature_and_keyring_count(tree: Path, name: str) -> None:
    source = {**SOURCE, "src": str(tree / "top.pem"), name: str(tree / "a/one.crt")}
    before = source_stamps.take(SimpleNamespace(find=str), [source])
    (tree / "a/one.crt").write_bytes(b"another")
    assert source_stamps.take(SimpleNamespace(find=str), [source]).anchors != before.anchors


def test_a_link_that_leads_nowhere_has_no_stamp(tree: Path) -> None:
    before = stamp(tree)
    (tree / "gone.pem").symlink_to("nowhere")
    assert stamp(tree) == before


def test_pipes_have_no_stamp_in_directories(tree: Path) -> None:
    before = stamp(tree)
    os.mkfifo(tree / "pipe.pem")
    assert stamp(tree) == before
    assert stamp(tree / "pipe.pem").changed


def test_sources_that_are_not_there(tree: Path) -> None:
    with pytest.raises(GridSecurityError, match=r"gone\.pem cannot be read: No such file") as caught:
        stamp(tree / "gone.pem")
    assert caught.value.error_code == "no_source"
    assert source_stamps.take(SimpleNamespace(find=str), [{**SOURCE, "content": "x"}]).changed == 0


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "beside", "is_wanted"),
    [
        ("a.pem", "", True),
        ("A.PEM", "", True),
        ("a.p7c", "", True),
        ("a.txt", "", False),
        (".a.pem", "", False),
        ("a.info", "", True),
        ("a.crl_url", "", True),
        ("a.namespaces", "", True),
        ("a.signing_policy", "", True),
        ("a.INFO", "", False),
        ("a.r0", "", True),
        ("a.r10", "", False),
        ("a.crl", "", True),
        ("01234abc.0", "", True),
        ("01234ABC.10", "", True),
        ("01234abcd.0", "", False),
        ("01234ab.0", "", False),
        ("a.0", "", False),
        ("a.0", "a.info", True),
        ("a.0", "a.signing_policy", True),
        ("a.0", "a.crl_url", False),
        ("a.x0", "a.info", False),
    ],
)
def test_names_of_interest(name: str, beside: str, is_wanted: bool) -> None:
    assert (name in source_files.of_interest([name, beside])) is is_wanted
