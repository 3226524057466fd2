# SPDX-License-Identifier: GPL-3.0-or-later
"""Test which archives the cached converter opens, and how it protects its entries in the persistent cache."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible import constants as C

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Conversion, Source
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.plugin_utils._action import persistent_cache
from ansible_collections.grid.security.plugins.plugin_utils._credential import cached_conversion, guessing
from ansible_collections.grid.security.plugins.plugin_utils._credential.cached_conversion import CachedConverter
from ansible_collections.grid.security.tests.support import conversions, pki

exact_iterations = pytest.mark.skipif(pki.CRYPTOGRAPHY < 38, reason="cryptography before 38 takes no iterations")


class Controller:
    """A controller with a persistent cache and a temporary directory for each run. It records the opened archives."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.archives = root, {}  # type: Path, dict[str, bytes]
        self.opened: list[str] = []
        self._runs = 0
        self._patch = monkeypatch
        run_all = sandbox.run_all

        def counted(jobs: list[sandbox.Job]) -> Any:
            self.opened += [job.name for job in jobs]
            return run_all(jobs)

        monkeypatch.setattr(sandbox, "run_all", counted)
        monkeypatch.setattr(C, "ANSIBLE_HOME", str(root / "home"))
        self.begin_run()

    @property
    def cache(self) -> Path:
        return self.root / "home/grid.security"

    def begin_run(self) -> None:
        """Start another run. It has an empty run cache."""
        self._runs += 1
        local_tmp = self.root / f"run-{self._runs}"
        local_tmp.mkdir()
        self._patch.setattr(C, "DEFAULT_LOCAL_TMP", str(local_tmp))
        self._patch.setattr(persistent_cache, "_BEGAN", persistent_cache.time.time())
        self.opened.clear()

    def add(self, *names: str) -> None:
        self.archives.update({f"{name}.p12": pki.issue(name).archive(iterations=1000) for name in names})

    def options(self, **changes: Any) -> list[CredentialOptions]:
        own = {"passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000, **changes}
        return [conversions.options(src=name, owner=name[:-4], **own) for name in self.archives]

    def sources(self, options: list[CredentialOptions]) -> list[Source]:
        return [Source(given, self.archives[given.src or ""]) for given in options]

    def find(self, options: list[CredentialOptions], meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
        """Return the summaries of some credentials, as on another host."""
        sources = self.sources(options)
        found = CachedConverter(meanwhile=meanwhile).summaries(sources)
        return [found[source] for source in sources]

    def summary_entries(self) -> set[Path]:
        """Return the entries with summaries, without the entries with iterations."""
        return {path for path in self.cache.iterdir() if b"facts" in path.read_bytes()}

    def summaries_of_all(self, **changes: Any) -> list[Any]:
        return self.find(self.options(**changes))


@pytest.fixture(name="controller")
def _controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    yield Controller(tmp_path, monkeypatch)


def test_summaries_are_those_of_the_conversions(controller: Controller) -> None:
    controller.add("alice")
    (found,) = controller.summaries_of_all()
    (options,) = controller.options()
    converted = conversions.convert(controller.archives["alice.p12"], options.values(), "alice.p12")
    assert found == Conversion(**converted).summary()


def test_the_same_list_is_opened_once_for_all_hosts_of_a_run(controller: Controller) -> None:
    controller.add("alice", "bob", "carol")
    first = controller.summaries_of_all()
    assert len(controller.opened) == 3
    assert controller.summaries_of_all() == first
    assert len(controller.opened) == 3


def test_a_run_with_nothing_new_opens_nothing(controller: Controller) -> None:
    controller.add("alice", "bob", "carol")
    first = controller.summaries_of_all()
    controller.begin_run()
    assert controller.summaries_of_all() == first
    assert controller.opened == []


def test_a_run_with_nothing_new_does_something_else_meanwhile_once(controller: Controller) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    controller.begin_run()
    called: list[int] = []
    controller.find(controller.options(), lambda: called.append(1))
    assert called == [1]
    assert controller.opened == []


def test_a_node_that_is_unreachable_meanwhile_hinders_no_other_host(controller: Controller) -> None:
    controller.add("alice")

    def fail() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        controller.find(controller.options(), fail)
    assert controller.summaries_of_all()[0].facts["subject"]


def test_contents_are_those_summarised_and_opened_only_when_asked_for(controller: Controller) -> None:
    controller.add("alice", "bob")
    controller.summaries_of_all()
    controller.begin_run()
    converter, sources = CachedConverter(), controller.sources(controller.options())
    summaries: dict[Source, Any] = converter.summaries(sources)
    (conversion,) = converter.conversions(sources[1:]).values()
    assert isinstance(conversion, Conversion)
    assert set(conversion.contents()) == {facts["sha256"] for facts in summaries[sources[1]].files.values()}
    assert controller.opened == ["bob.p12 for bob"]


@pytest.mark.parametrize(
    "changes",
    [
        {"passphrase": "other"},
        {"privatekey_passphrase": "other"},
        {"kdf_iterations": 1001},
        {"include_chain": True},
        {"dns_name": "www.example.org"},
    ],
)
def test_other_options_have_another_entry(controller: Controller, changes: dict[str, Any]) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    controller.begin_run()
    controller.summaries_of_all(**changes)
    assert controller.opened == ["alice.p12 for alice"]


def test_one_renewed_among_many_costs_few_conversions(controller: Controller) -> None:
    controller.add(*(f"user{number}" for number in range(100)))
    controller.summaries_of_all()
    controller.begin_run()
    controller.add("user50")
    controller.summaries_of_all()
    assert "user50.p12 for user50" in controller.opened
    assert len(controller.opened) <= 64, "two pieces at most"


def test_errors_are_found_again(controller: Controller) -> None:
    controller.add("alice")
    controller.archives["bob.p12"] = b"rubbish"
    for _run in range(2):
        controller.begin_run()
        found = controller.summaries_of_all()
        assert isinstance(found[1], GridSecurityError)
        assert found[1].error_code == "not_pkcs12"
        assert "bob.p12 for bob" in controller.opened


def test_an_unencrypted_key_is_cached_nowhere(controller: Controller, tmp_path: Path) -> None:
    controller.add("alice")
    converter, sources = CachedConverter(), controller.sources(controller.options(encrypt_privatekey=False))
    converter.summaries(sources)
    (conversion,) = converter.conversions(sources).values()
    assert isinstance(conversion, Conversion)
    assert any(b"PRIVATE KEY" in base64.b64decode(text) for text in conversion.contents().values())
    assert not controller.cache.exists()
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_entries_hold_nothing_secret_and_are_private(controller: Controller) -> None:
    controller.add("alice")
    controller.summaries_of_all(privatekey_passphrase="w0rd of the key")
    entries = list(controller.cache.iterdir())
    assert len(entries) == 2, "summaries, and iterations"
    assert stat.S_IMODE(controller.cache.stat().st_mode) == 0o700
    for entry in entries:
        assert stat.S_IMODE(entry.stat().st_mode) == 0o600
        assert b"PRIVATE KEY" not in entry.read_bytes()
        assert b"w0rd of" not in entry.read_bytes()


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data.replace(b"a", b"b")])
def test_a_damaged_entry_is_not_read(controller: Controller, damage: Any) -> None:
    controller.add("alice")
    first = controller.summaries_of_all()
    for entry in controller.cache.iterdir():
        entry.write_bytes(damage(entry.read_bytes()))
    controller.begin_run()
    assert controller.summaries_of_all() == first
    assert controller.opened == ["alice.p12 for alice"]


def test_a_directory_that_others_may_write_is_not_used(controller: Controller) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    controller.cache.chmod(0o770)
    controller.begin_run()
    controller.summaries_of_all()
    assert controller.opened == ["alice.p12 for alice"]


def test_other_code_has_another_entry(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    controller.begin_run()
    monkeypatch.setattr(persistent_cache, "_code", lambda: bytes(32))
    controller.summaries_of_all()
    assert controller.opened == ["alice.p12 for alice"]


def test_iterations_that_no_key_may_have_are_an_error_and_have_no_entry(controller: Controller) -> None:
    controller.add("alice")
    (found,) = controller.summaries_of_all(kdf_iterations=0)
    assert isinstance(found, GridSecurityError)
    assert found.error_code == "kdf_iterations"
    assert not controller.cache.exists()


# --- a guess with an entry is never faster than a guess with the files ------------------------------------------------


@pytest.fixture(name="derived")
def _derived(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record the iterations of all derivations over a secret."""
    found: list[int] = []
    derive = hashlib.pbkdf2_hmac

    def noted(name: str, secret: bytes, salt: bytes, iterations: int, *others: Any) -> bytes:
        if secret:
            found.append(iterations)
        return derive(name, secret, salt, iterations, *others)

    monkeypatch.setattr(persistent_cache.hashlib, "pbkdf2_hmac", noted)
    return found


@exact_iterations
@pytest.mark.parametrize(("stored", "archive", "largest"), [(5000, 1000, 5000), (1500, 6000, 6000), (1500, 1000, 2048)])
def test_an_entry_costs_the_largest_iterations_of_key_archive_and_mac(
    controller: Controller, derived: list[int], stored: int, archive: int, largest: int
) -> None:
    data = controller.archives["alice.p12"] = pki.issue("alice").archive(iterations=archive)
    if largest == 2048 and not data.endswith(b"\x02\x02\x08\x00"):
        pytest.skip("this version of cryptography gives the MAC a single iteration")
    for _run in range(2):
        controller.begin_run()
        controller.summaries_of_all(kdf_iterations=stored)
    assert controller.opened == []
    assert derived and set(derived) == {largest}


@exact_iterations
def test_an_entry_of_a_list_costs_the_largest_iterations_of_all(controller: Controller, derived: list[int]) -> None:
    for number, name in enumerate(("alice", "bob", "carol")):
        controller.archives[f"{name}.p12"] = pki.issue(name).archive(iterations=3000 + number)
    for _run in range(2):
        controller.begin_run()
        derived.clear()
        controller.summaries_of_all()
    assert derived == [3002], "one derivation for the whole list"


def test_a_run_with_nothing_new_does_not_read_the_structure_of_archives(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    controller.begin_run()
    monkeypatch.setattr(guessing, "iterations", lambda source: pytest.fail("read again"))
    controller.summaries_of_all()


def test_numbers_as_ansible_tags_them_cost_no_time(controller: Controller) -> None:
    class Tagged(int):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Tagged.compared += 1
            return int(self) == other

        __hash__ = int.__hash__

    controller.add("alice")
    controller.summaries_of_all(kdf_iterations=Tagged(5000))
    assert Tagged.compared < 100


def test_archives_that_cannot_be_compared_have_no_entry(
    controller: Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guessing, "iterations", lambda source: None)
    controller.add("alice")
    for _run in range(2):
        controller.begin_run()
        controller.summaries_of_all()
        assert controller.opened == ["alice.p12 for alice"]
    assert controller.summary_entries() == set()


# --- removal of superseded entries ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"privatekey_passphrase": "other"}, {"kdf_iterations": 2000}, {"include_chain": True}]
)
def test_a_superseded_entry_is_removed(controller: Controller, changes: dict[str, Any]) -> None:
    controller.add("alice", "bob")
    controller.summaries_of_all()
    old = controller.summary_entries()
    controller.begin_run()
    controller.summaries_of_all(**changes)
    assert controller.summary_entries() and not old & controller.summary_entries()


def test_entries_of_a_replaced_archive_are_removed(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached_conversion, "_LONGEST_PIECE", 2)
    controller.archives.update({f"user{number}.p12": pki.issue().archive(iterations=1000) for number in range(6)})
    controller.summaries_of_all()
    old = controller.summary_entries()
    controller.begin_run()
    controller.archives["user2.p12"] = pki.issue().archive(iterations=1000)
    controller.summaries_of_all()
    gone = [path for path in old if not path.exists()]
    assert 2 <= len(gone) < len(old), "the entry of the list and of one or two pieces; entries of other users stay"


def test_entries_of_other_credentials_and_of_other_hosts_stay(controller: Controller) -> None:
    controller.add("alice", "bob")
    alice, bob = controller.options()
    controller.find([bob])
    of_bob = controller.summary_entries()
    controller.begin_run()
    controller.find([alice])
    one_host = controller.summary_entries()
    controller.find([dataclasses.replace(alice, include_chain=True)])  # another host of the same run
    assert one_host < controller.summary_entries()
    assert of_bob < one_host


def test_known_summaries_supersede_nothing(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups of hosts share alice. A change of bob costs the other group nothing."""
    monkeypatch.setattr(cached_conversion, "_LONGEST_PIECE", 1)
    controller.add("alice", "bob", "carol")
    alice, bob, carol = controller.options()
    controller.find([alice, carol])
    of_others = controller.summary_entries()
    controller.find([alice, bob])
    controller.begin_run()
    controller.find([alice, dataclasses.replace(bob, privatekey_passphrase="other")])
    assert controller.opened == ["bob.p12 for bob"]
    assert of_others <= controller.summary_entries()


@pytest.mark.parametrize("days", [29, 31])
def test_entries_unused_for_30_days_are_removed_in_a_run_that_writes_nothing(controller: Controller, days: int) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    old = controller.cache / ("0" * 64)
    old.write_bytes(next(iter(controller.summary_entries())).read_bytes())
    before = {path.name for path in controller.cache.iterdir()}
    os.utime(old, (0, time.time() - days * 86400))
    controller.begin_run()
    controller.summaries_of_all()
    assert controller.opened == []
    after = {path.name for path in controller.cache.iterdir()}
    assert before - after == ({old.name} if days > 30 else set())


def test_use_is_noted(controller: Controller) -> None:
    controller.add("alice")
    controller.summaries_of_all()
    for path in controller.cache.iterdir():
        os.utime(path, (0, time.time() - 29 * 86400))
    controller.begin_run()
    controller.summaries_of_all()
    assert all(time.time() - path.stat().st_mtime < 86400 for path in controller.cache.iterdir())


@pytest.mark.parametrize("cause", ["rubbish", "wrong passphrase"])
def test_an_error_of_one_credential_costs_no_other_entry(controller: Controller, cause: str) -> None:
    controller.add("alice", "bob", "carol")
    options = controller.options()
    if cause == "rubbish":
        controller.archives["bob.p12"] = b"rubbish"
    else:
        options[1] = dataclasses.replace(options[1], passphrase="wrong")
    first = controller.find(options)
    controller.begin_run()
    again = controller.find(options)
    assert controller.opened == ["bob.p12 for bob"]
    assert [first[0], first[2]] == [again[0], again[2]]
    assert isinstance(first[1], GridSecurityError) and isinstance(again[1], GridSecurityError)
    assert (first[1].error_code, first[1].message) == (again[1].error_code, again[1].message)


def test_an_error_that_is_gone_is_gone_for_good(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause of the error is outside of the archive."""
    controller.add("alice", "bob")
    counted = sandbox.run_all

    def without_memory(jobs: list[sandbox.Job]) -> list[Any]:
        done: list[Any] = counted(jobs)
        return [
            GridSecurityError("internal", "no memory") if "bob" in job.name else answer
            for job, answer in zip(jobs, done)
        ]

    monkeypatch.setattr(sandbox, "run_all", without_memory)
    assert isinstance(controller.summaries_of_all()[1], GridSecurityError)
    monkeypatch.setattr(sandbox, "run_all", counted)
    for opened in (["bob.p12 for bob"], []):
        controller.begin_run()
        assert not any(isinstance(summary, GridSecurityError) for summary in controller.summaries_of_all())
        assert controller.opened == opened
