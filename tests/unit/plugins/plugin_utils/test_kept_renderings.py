# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's renderer: what it opens, and when."""

from __future__ import annotations

import base64
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible import constants as C

from ansible_collections.grid.security.plugins.module_utils import bounded, credential, rendering
from ansible_collections.grid.security.plugins.module_utils.credentials import OPTIONS
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils.renderers import Source
from ansible_collections.grid.security.plugins.plugin_utils import ledger
from ansible_collections.grid.security.plugins.plugin_utils.kept_renderings import KeptRenderings
from ansible_collections.grid.security.plugins.plugin_utils.trusted_cas import ChainCheck
from ansible_collections.grid.security.tests.support import pki

DEFAULTS = {name: spec.get("default") for name, spec in OPTIONS.items()}


class Controller:
    """A home for the ledger, and temporary directories of one run after the other; counts what is opened."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.archives = root, {}  # type: Path, dict[str, bytes]
        self.opened: list[str] = []
        self._runs = 0
        self._patch = monkeypatch
        run_all = bounded.run_all

        def counted(jobs: list[bounded.Job]) -> Any:
            self.opened += [job.name for job in jobs]
            return run_all(jobs)

        monkeypatch.setattr(bounded, "run_all", counted)
        monkeypatch.setattr(C, "ANSIBLE_HOME", str(root / "home"))
        self.begin_run()

    @property
    def pages(self) -> Path:
        return self.root / "home/grid.security"

    def begin_run(self) -> None:
        """Forget what is kept for one run only."""
        self._runs += 1
        local_tmp = self.root / f"run-{self._runs}"
        local_tmp.mkdir()
        self._patch.setattr(C, "DEFAULT_LOCAL_TMP", str(local_tmp))
        self.opened.clear()

    def add(self, *names: str) -> None:
        self.archives.update({f"{name}.p12": pki.issue(name).archive() for name in names})

    def options(self, **changes: Any) -> list[dict[str, Any]]:
        own = {"passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000, **changes}
        return [{**DEFAULTS, "src": name, "owner": name[:-4], **own} for name in self.archives]

    def renderer(self) -> KeptRenderings:
        check = ChainCheck(SimpleNamespace(find=str))
        return KeptRenderings(lambda one: Source(one, self.archives[one["src"]]), check)

    def outlines(self, **changes: Any) -> list[Any]:
        return self.renderer().outlines(self.options(**changes))


@pytest.fixture(name="controller")
def _controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    yield Controller(tmp_path, monkeypatch)


def test_outlines_are_those_of_the_renderings(controller: Controller) -> None:
    controller.add("alice")
    (found,) = controller.outlines()
    (options,) = controller.options()
    rendered = rendering.render(controller.archives["alice.p12"], options, "alice.p12 for alice")
    assert {**found, "chain": rendered["chain"]} == credential.outline(rendered)


def test_the_same_list_is_opened_once_for_all_hosts_of_a_run(controller: Controller) -> None:
    controller.add("alice", "bob", "carol")
    first = controller.outlines()
    assert len(controller.opened) == 3
    assert controller.outlines() == first
    assert len(controller.opened) == 3


def test_a_run_with_nothing_new_opens_nothing(controller: Controller) -> None:
    controller.add("alice", "bob", "carol")
    first = controller.outlines()
    controller.begin_run()
    assert controller.outlines() == first
    assert controller.opened == []


def test_contents_are_those_outlined_and_opened_only_when_asked_for(controller: Controller) -> None:
    controller.add("alice", "bob")
    controller.outlines()
    controller.begin_run()
    renderer = controller.renderer()
    outlines: list[Any] = renderer.outlines(controller.options())
    (contents,) = renderer.contents([1])
    assert set(contents) == {facts["sha256"] for facts in outlines[1]["files"].values()}
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
def test_other_options_are_another_page(controller: Controller, changes: dict[str, Any]) -> None:
    controller.add("alice")
    controller.outlines()
    controller.begin_run()
    controller.outlines(**changes)
    assert controller.opened == ["alice.p12 for alice"]


def test_one_renewed_among_many_costs_few_renderings(controller: Controller) -> None:
    controller.add(*(f"user{number}" for number in range(100)))
    controller.outlines()
    controller.begin_run()
    controller.add("user50")
    controller.outlines()
    assert "user50.p12 for user50" in controller.opened
    assert len(controller.opened) <= 64, "two pieces at most"


def test_errors_are_found_again(controller: Controller) -> None:
    controller.add("alice")
    controller.archives["bob.p12"] = b"rubbish"
    for _run in range(2):
        controller.begin_run()
        found = controller.outlines()
        assert isinstance(found[1], GridSecurityError)
        assert found[1].kind == "not_pkcs12"
        assert "bob.p12 for bob" in controller.opened


def test_an_unencrypted_key_is_kept_nowhere(controller: Controller, tmp_path: Path) -> None:
    controller.add("alice")
    renderer = controller.renderer()
    renderer.outlines(controller.options(encrypt_privatekey=False))
    (contents,) = renderer.contents([0])
    assert any(b"PRIVATE KEY" in base64.b64decode(text) for text in contents.values())
    assert not controller.pages.exists()
    assert not any(b"PRIVATE KEY" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_pages_hold_nothing_secret_and_are_private(controller: Controller) -> None:
    controller.add("alice")
    controller.outlines()
    (page,) = controller.pages.iterdir()
    assert stat.S_IMODE(controller.pages.stat().st_mode) == 0o700
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" not in page.read_bytes()
    assert b"store" not in page.read_bytes()


@pytest.mark.parametrize(
    "damage", [lambda data: b"", lambda data: data[:-1], lambda data: data.replace(b"alice", b"mallo")]
)
def test_a_damaged_page_is_no_page(controller: Controller, damage: Any) -> None:
    controller.add("alice")
    first = controller.outlines()
    (page,) = controller.pages.iterdir()
    page.write_bytes(damage(page.read_bytes()))
    controller.begin_run()
    assert controller.outlines() == first
    assert controller.opened == ["alice.p12 for alice"]


def test_a_directory_that_others_may_write_is_not_used(controller: Controller) -> None:
    controller.add("alice")
    controller.outlines()
    controller.pages.chmod(0o770)
    controller.begin_run()
    controller.outlines()
    assert controller.opened == ["alice.p12 for alice"]


def test_other_code_is_another_page(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.add("alice")
    controller.outlines()
    controller.begin_run()
    monkeypatch.setattr(ledger, "_code", lambda: b"another release")
    controller.outlines()
    assert controller.opened == ["alice.p12 for alice"]


def test_pages_that_nobody_uses_go(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    controller.add("alice")
    controller.outlines()
    (old,) = controller.pages.iterdir()
    now = ledger.time.time()
    monkeypatch.setattr(ledger.time, "time", lambda: now + 31 * 86400)
    controller.add("bob")
    controller.outlines()
    assert not old.exists()
    assert list(controller.pages.iterdir())


def test_rounds_that_no_key_may_have_are_an_error_and_no_page(controller: Controller) -> None:
    controller.add("alice")
    (found,) = controller.outlines(kdf_iterations=0)
    assert isinstance(found, GridSecurityError)
    assert found.kind == "kdf_iterations"
    assert not controller.pages.exists()
