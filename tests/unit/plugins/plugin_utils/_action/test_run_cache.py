# SPDX-License-Identifier: GPL-3.0-or-later
"""The memo: once per run, whichever worker comes first."""

from __future__ import annotations

import contextlib
import os
import resource
import runpy
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible import constants as C

from ansible_collections.grid.security.plugins.plugin_utils._action import run_cache


@pytest.fixture(autouse=True, name="local_tmp")
def _local_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    return tmp_path


def produce_and_count(counter: Path) -> dict[str, Any]:
    with open(counter, "a", encoding="ascii") as stream:
        stream.write("x")
    return {"value": 1}


def test_many_processes_render_once(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    children = []
    for _child in range(8):
        pid = os.fork()
        if pid == 0:
            run_cache.memoize([b"archive", b"options"], lambda: produce_and_count(counter))
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    assert counter.read_text() == "x"


def test_other_inputs_are_other_results() -> None:
    for parts in ([b"ab", b"c"], [b"a", b"bc"], [b"abc"]):
        assert run_cache.memoize(parts, lambda parts=parts: {"parts": len(parts)}) == {"parts": len(parts)}


def test_failure_is_not_kept() -> None:
    with pytest.raises(ZeroDivisionError):
        run_cache.memoize([b"x"], lambda: {"value": 1 // 0})
    assert run_cache.memoize([b"x"], lambda: {"value": 2}) == {"value": 2}


def test_another_run_has_another_key() -> None:
    """A reader of the directory could otherwise compute the name that a guess at a passphrase gives."""
    first, second = (runpy.run_path(run_cache.__file__) for _run in range(2))
    assert first["memoize"]([b"passphrase"], lambda: {"value": 1}) == {"value": 1}
    assert first["recall"]([b"passphrase"]) == {"value": 1}
    assert second["recall"]([b"passphrase"]) is None


def test_nobody_else_reads_it(local_tmp: Path) -> None:
    run_cache.memoize([b"x"], lambda: {"value": 2})
    directory = local_tmp / "grid.security"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()] == [0o600]


@contextlib.contextmanager
def full_disk(room: int) -> Iterator[None]:
    """No file grows beyond so many bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("room", [0, 5])
def test_full_disk_costs_time_and_nothing_else(room: int) -> None:
    with full_disk(room):
        assert run_cache.memoize([b"x"], lambda: {"value": 2}) == {"value": 2}
        assert run_cache.memoize([b"x"], lambda: {"value": 3}) == {"value": 3}
    assert run_cache.memoize([b"x"], lambda: {"value": 4}) == {"value": 4}
    assert run_cache.memoize([b"x"], lambda: {"value": 5}) == {"value": 4}


def test_no_directory_to_keep_it_in(local_tmp: Path) -> None:
    (local_tmp / "grid.security").write_bytes(b"")
    assert run_cache.memoize([b"x"], lambda: {"value": 2}) == {"value": 2}


def test_what_a_killed_process_left_is_written_anew(local_tmp: Path) -> None:
    run_cache.memoize([b"x"], lambda: {"value": 2})
    (path,) = (local_tmp / "grid.security").iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert run_cache.memoize([b"x"], lambda: {"value": 3}) == {"value": 3}
    assert run_cache.memoize([b"x"], lambda: {"value": 4}) == {"value": 3}
