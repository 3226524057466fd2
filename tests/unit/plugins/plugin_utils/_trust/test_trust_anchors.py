# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of trust_anchors."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants as C
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_rendering,
    anchor_warnings,
    source_groups,
    source_options,
    source_stamps,
    system_store,
    trust_anchors,
    verified,
)
from ansible_collections.grid.security.tests.support import pki


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "give one of src, content and url"),
        ({"src": "a", "url": "https://b"}, "give one of src, content and url"),
        ({"url": "https://b"}, "a url needs a checksum"),
        ({"src": "a", "signature": "b"}, "signature and keyring belong together"),
        ({"src": "a", "sha256": "b"}, "sha256"),
        ({"src": "a", "crl_urls": ["http://a b"]}, "crl_urls"),
        ({"src": "a", "crl_urls": ["file:///etc/passwd"]}, "crl_urls"),
        (7, "must be a string or a dictionary"),
    ],
)
def test_sources_that_say_too_little(source: Any, message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        trust_anchors.read_options({"sources": [source]})


@pytest.mark.parametrize(
    "paths",
    [
        {"path": "certificates"},
        {"bundle_path": "ca.pem"},
        {"path": "/store", "bundle_path": "/store/ca.pem"},
        {"path": "/store", "java_truststore_path": "/store/../store/"},
        {"bundle_path": "/etc/ca", "java_truststore_path": "/etc/ca"},
    ],
)
def test_places_that_would_be_in_each_others_way(paths: dict[str, str]) -> None:
    with pytest.raises(AnsibleActionFail, match=r"absolute path|Set another path"):
        trust_anchors.read_options({"sources": ["ca.pem"], **paths})


def test_texts_are_sources_too() -> None:
    read = source_options.read_source("-----BEGIN CERTIFICATE-----", "")
    assert (read["content"], read["src"]) == ("-----BEGIN CERTIFICATE-----", None)
    read = source_options.read_source("/etc/ca.pem", "")
    assert (read["content"], read["src"]) == (None, "/etc/ca.pem")
    assert (read["prefer"], read["subjects"], read["crl_urls"]) == (False, [], [])


@pytest.mark.parametrize(
    "source",
    [
        {"src": "a", "signature": "b", "keyring": "c"},
        {"src": "a", "checksum": "sha256:00"},
        {"url": "https://b", "checksum": "sha256:00"},
        {"content": "a", "crl_urls": ["http://a/b.crl", "https://a/b.crl"]},
    ],
)
def test_sources_that_say_enough(source: dict[str, Any]) -> None:
    read = source_options.read_source(source, "")
    assert {name: read[name] for name in source} == source


@pytest.mark.parametrize(
    "source",
    [
        {"src": "a", "content": "b"},
        {"content": "a", "url": "https://b", "checksum": "sha256:00"},
        {"src": "a", "keyring": "b"},
        {"src": "a", "crl_urls": ["ftp://a"]},
        {"src": "a", "crl_urls": ["http://"]},
        {"src": "a", "crl_urls": ["http://a/b", "http://a\n"]},
        ["src"],
        None,
    ],
)
def test_sources_that_contradict_themselves(source: Any) -> None:
    with pytest.raises(AnsibleActionFail, match=r"^sources\[0\]: |it must be"):
        source_options.read_source(source, "sources[0]: ")


def test_defaults_of_the_options() -> None:
    options = trust_anchors.read_options({"sources": ["ca.pem"]})
    named = ("exclude_expired", "purge", "allow_shrink", "system_store", "on_unreadable")
    assert {name: options[name] for name in named} == {
        "exclude_expired": False,
        "purge": True,
        "allow_shrink": False,
        "system_store": False,
        "on_unreadable": "fail",
    }
    with pytest.raises(AnsibleActionFail, match="sources"):
        trust_anchors.read_options({})


@pytest.mark.parametrize(
    "paths",
    [
        {"path": "/store", "bundle_path": "/store/in/ca.pem"},
        {"path": "/store", "bundle_path": "/ca.pem", "java_truststore_path": "/ca.p12"},
        {"path": "/store/"},
    ],
)
def test_places_apart_from_each_other(paths: dict[str, str]) -> None:
    assert trust_anchors.read_options({"sources": ["ca.pem"], **paths})["path"] == paths["path"]


# --- whole tasks ------------------------------------------------------------------------------------------------------

ONE, TWO, THREE = (pki.issue(name, authority=True) for name in ("One", "Two", "Three"))
SUBJECTS = ["/*"]  # for a signing policy, without which there is a warning


class Site:
    """A controller with one source, and a node, both on this machine.

    :ivar sent: how many file sets and contents each call of the current task had. :ivar rendered: how often the CAs
        were read in the current run.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.source, self.store = root, root / "source", root / "store"
        self.source.mkdir()
        self._patch, self._runs, self.rendered = patch, 0, 0
        self.sent: list[tuple[int, int]] = []
        self.commands: list[list[str]] = []
        render = anchor_rendering.render

        def counted(*arguments: Any) -> Any:
            self.rendered += 1
            return render(*arguments)

        patch.setattr(anchor_rendering, "render", counted)
        patch.setattr(C, "ANSIBLE_HOME", str(root / "ansible"))
        patch.setattr(source_stamps, "_TICK", 0)  # tests do not wait until changes are old
        self.begin_run()

    def begin_run(self) -> None:
        self._runs, self.rendered = self._runs + 1, 0
        (self.root / f"run{self._runs}").mkdir()
        self._patch.setattr(C, "DEFAULT_LOCAL_TMP", str(self.root / f"run{self._runs}"))

    def add(self, *found: pki.Credential) -> None:
        for one in found:
            (self.source / f"{one.facts.common_name}.pem").write_bytes(one.pem)

    def place(self, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        source = {"src": str(self.source), "subjects": SUBJECTS}
        facts = {"ansible_facts": {"os_family": "Debian"}}
        action: Any = SimpleNamespace(
            find=str, task_vars=facts, check_mode=check_mode, diff=True, execute=self._execute
        )
        self.sent, self.commands = [], []

        def send(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
            self.sent.append((len(sets), len(contents)))
            return inspectors.converge(sets, contents, False, False)

        arguments = {"sources": [source], "path": str(self.store), **options}
        told: dict[str, Any] = exchange.run(trust_anchors.place(action, arguments), send)
        return told

    def _execute(self, _module: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.commands.append(arguments["argv"])
        return {}

    def placed(self) -> set[str]:
        return {path.stem for path in self.store.glob("*.pem")}


@pytest.fixture(name="site")
def _site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path.resolve(), monkeypatch)


def test_the_directory_gets_the_cas_once(site: Site) -> None:
    site.add(ONE, TWO)
    told = site.place()
    assert (told["changed"], told["warnings"], len(site.sent)) == (True, [], 2)
    assert [one["alias"] for one in told["added"]] == ["One", "Two"]
    assert site.placed() == {"One", "Two"}
    told = site.place()
    assert (told["changed"], told["summary"], site.sent) == (False, ["not changed"], [(1, 0)])


def test_check_mode_tells_the_same_and_changes_nothing(site: Site) -> None:
    site.add(ONE, TWO)
    told = site.place(check_mode=True)
    assert len(site.sent) == 1
    assert not site.store.exists()
    assert site.place() == told


@pytest.mark.parametrize(("allow", "is_placed"), [(False, False), (True, True)])
def test_more_than_half_of_the_cas_go_only_if_that_is_allowed(site: Site, allow: bool, is_placed: bool) -> None:
    site.add(ONE, TWO, THREE)
    site.place()
    told = site.place(include=["One"], allow_shrink=allow)
    assert told.get("error_code") == (None if is_placed else "shrink")
    assert site.placed() == ({"One"} if is_placed else {"One", "Two", "Three"})


@pytest.mark.parametrize(("allow", "code"), [(False, "shrink"), (True, None)])
def test_no_ca_at_all(site: Site, allow: bool, code: str | None) -> None:
    """Also if the directory is empty already."""
    site.add(ONE)
    assert site.place(exclude=["*"], allow_shrink=allow).get("error_code") == code


def test_without_purge_other_cas_stay(site: Site) -> None:
    site.add(ONE, TWO)
    site.place()
    told = site.place(include=["One"], purge=False)
    assert (told["changed"], told["removed"]) == (False, [])
    assert site.placed() == {"One", "Two"}


def test_later_runs_render_nothing_while_the_sources_stay(site: Site) -> None:
    site.add(ONE)
    site.place()
    assert site.rendered == 1
    site.begin_run()
    assert site.place()["changed"] is False
    assert site.rendered == 0
    site.add(TWO)
    assert site.place()["changed"] is True
    assert site.rendered == 1


def test_sources_that_changed_just_now_are_read_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_stamps, "_TICK", 1 << 62)
    site.add(ONE)
    site.place()
    site.begin_run()
    site.place()
    assert site.rendered == 1


@pytest.mark.parametrize(("seconds", "rendered"), [(1, 0), (0, 1), (-1, 1)])
def test_warnings_hold_until_time_changes_them(
    site: Site, monkeypatch: pytest.MonkeyPatch, seconds: int, rendered: int
) -> None:
    now = times.now()
    monkeypatch.setattr(times, "now", lambda: now)
    monkeypatch.setattr(anchor_warnings, "next_change", lambda _found: times.iso(now + seconds * SECOND))
    site.add(ONE)
    site.place()
    site.begin_run()
    site.place()
    assert site.rendered == rendered


SECOND = datetime.timedelta(seconds=1)


def test_all_places_get_the_cas_and_are_told(site: Site) -> None:
    site.add(ONE)
    copies = {"bundle_path": f"{site.root}/b/ca.pem", "java_truststore_path": f"{site.root}/j/ca.p12"}
    told = site.place(**copies)
    assert told["places"] == [
        "trust anchors",
        f"PEM bundle {copies['bundle_path']}",
        f"Java truststore {site.root}/j/ca.p12",
    ]
    Path(copies["bundle_path"]).unlink()
    told = site.place(**copies)
    assert (told["changed"], told["places"]) == (True, [f"PEM bundle {copies['bundle_path']}"])
    assert Path(copies["bundle_path"]).read_bytes() == ONE.pem


@pytest.mark.parametrize(("number", "lines"), [(50, 50), (51, 51)])
def test_a_diff_names_some_of_many_files(site: Site, number: int, lines: int) -> None:
    site.add(ONE)
    site.place()
    for one in range(number):
        (site.store / f"gone{one:02}.crl_url").write_text("http://example.org/\n")
    told = site.place()
    assert len(told["files"]) == number
    shown = told["diff"][0]["prepared"].splitlines()
    assert len(shown) == lines + 1
    assert ("and 1 files and links more" in shown) is (number == 51)


def test_a_url_is_fetched_once_per_run(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[str] = []
    monkeypatch.setattr(verified, "fetch", lambda url: (fetched.append(url), ONE.pem)[1])
    source = source_options.read_source({"url": "https://example.org/ca.pem", "checksum": CHECKSUM}, "")
    action: Any = SimpleNamespace(find=str)
    first, second = (source_groups.read(action, [source]) for _time in range(2))
    assert first == second
    assert fetched == ["https://example.org/ca.pem"]
    assert source_groups.key_parts(first) == [b"https://example.org/ca.pem", b"ca.pem", ONE.pem]
    site.begin_run()
    source_groups.read(action, [source])
    assert len(fetched) == 2


CHECKSUM = "sha256:" + hashlib.sha256(ONE.pem).hexdigest()


def test_the_system_takes_up_what_changed_in_its_store(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = dataclasses.replace(system_store._PLATFORMS["Debian"], directory=f"{site.root}/system", bundle=None)
    monkeypatch.setitem(system_store._PLATFORMS, "Debian", platform)
    site.add(ONE)
    site.place(check_mode=True, system_store=True)
    assert site.commands == []
    (site.root / "system").mkdir()
    site.place(system_store=True)
    assert site.commands == [["update-ca-certificates"]]
    assert (site.root / "system/grid-security-One.crt").read_bytes() == ONE.pem
    (site.store / "One.pem").unlink()
    assert site.place(system_store=True)["places"] == ["trust anchors"]
    assert site.commands == []
