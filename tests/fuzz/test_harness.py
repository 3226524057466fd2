# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the harness: it finds each violation of the property, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import convert
from ansible_collections.grid.security.tests.fuzz import documented, harness
from ansible_collections.grid.security.tests.support import sandboxed

_LARGE = 64 << 20


def _fail(kind: str, message: str) -> Iterable[str]:
    raise GridSecurityError(kind, message)


def _loop() -> Iterable[str]:
    while True:
        pass


def _hog() -> Iterable[str]:
    return [str(len(b"x" * _LARGE))]


def _crash() -> Iterable[str]:
    os.kill(os.getpid(), signal.SIGKILL)
    return ()


BROKEN: dict[str, tuple[Callable[[], Iterable[str]], str]] = {
    "error that nobody expects": (lambda: [str(1 // 0)], "ZeroDivisionError"),
    "undocumented kind": (lambda: _fail("unheard_of", "alice.p12: no."), "unheard_of is not documented"),
    "secret in an error": (lambda: _fail("known", "alice.p12: planted-secret is wrong."), "a message holds a secret"),
    "secret in a warning": (lambda: ["planted-secret is weak"], "a message holds a secret"),
    "message that says nothing": (lambda: _fail("known", ""), "a message of 0 characters"),
    "endless loop": (_loop, "killed, status"),
    "crash": (_crash, "killed, status"),
    "memory": (_hog, "MiB of memory"),
}


def target(run: Callable[[], Iterable[str]]) -> harness.Target:
    return harness.Target(
        "test",
        lambda _data: run(),
        list,
        lambda data, _rng: data,
        frozenset({"known"}),
        secrets=lambda _: ["planted-secret"],
    )


@pytest.fixture(name="limits")
def _limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "MOST_SECONDS", 0.3)
    monkeypatch.setattr(harness, "MOST_MEMORY", _LARGE // 2)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("broken", BROKEN)
def test_what_breaks_the_property_is_found(broken: str, tmp_path: Path) -> None:
    run, what = BROKEN[broken]
    _count, findings = harness.jailed(target(run), iter([("input one", b"abc")]), 60, tmp_path)
    assert len(findings) == 1
    assert findings[0].startswith("input one: ")
    assert what in findings[0]
    assert Path(findings[0].rpartition("see ")[2]).read_bytes() == b"abc"


def test_what_keeps_it_is_not(tmp_path: Path) -> None:
    for run in (lambda: [], lambda: ["a warning"], lambda: _fail("known", "alice.p12: no.")):
        assert harness.jailed(target(run), iter([("one", b""), ("two", b"")]), 60, tmp_path) == (2, [])


def test_kinds_are_those_of_docstrings() -> None:
    kinds = documented.kinds(convert.convert, sandboxed.run)
    assert {"wrong_passphrase", "not_pem", "kdf_limit", "internal", "wrong_host"} <= kinds
    assert "expired" not in kinds
