# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the run cache: a result is computed once per run."""

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


def test_many_processes_produce_once(tmp_path: Path) -> None:
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


# --- many results at once ---------------------------------------------------------------------------------------------


def parts(*names: str) -> dict[str, list[bytes]]:
    return {name: [name[0].encode()] for name in names}


def numbered(wanted: list[str]) -> dict[str, dict[str, Any] | Exception]:
    return {name: {"name": name} for name in wanted}


def test_only_missing_results_are_produced() -> None:
    asked: list[list[str]] = []

    def produce(wanted: list[str]) -> dict[str, dict[str, Any] | Exception]:
        asked.append(sorted(wanted))
        return numbered(wanted)

    assert run_cache.memoize_all(parts("a", "b"), produce) == {"a": {"name": "a"}, "b": {"name": "b"}}
    assert run_cache.memoize_all(parts("a", "b", "c"), produce)["c"] == {"name": "c"}
    assert asked == [["a", "b"], ["c"]]
    assert run_cache.memoize([b"c"], dict) == {"name": "c"}, "one result has the same name as one of many"
    assert run_cache.memoize_all({}, produce) == {}


def test_equal_inputs_are_produced_once_and_do_not_wait_for_each_other() -> None:
    assert run_cache.memoize_all(parts("a1", "a2"), numbered) == {"a1": {"name": "a1"}, "a2": {"name": "a1"}}


def test_an_exception_in_place_of_a_result_is_not_kept() -> None:
    error = ValueError()
    found = run_cache.memoize_all(parts("a", "b"), lambda wanted: {**numbered(wanted), "b": error})
    assert found == {"a": {"name": "a"}, "b": error}
    assert run_cache.memoize_all(parts("b"), numbered) == {"b": {"name": "b"}}


@pytest.mark.parametrize("most", [1, 2, 64])
def test_many_processes_with_other_orders_produce_each_result_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(run_cache, "_MOST_LOCKED", most)
    counter, names = tmp_path / "counter", ["a", "b", "c", "d"]

    def produce(wanted: list[str]) -> dict[str, dict[str, Any] | Exception]:
        with open(counter, "a", encoding="ascii") as stream:
            stream.write("".join(wanted))
        return numbered(wanted)

    children = []
    for child in range(8):
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)  # a deadlock ends here
            order = names[child % 4 :] + names[: child % 4]
            os._exit(run_cache.memoize_all(parts(*order), produce) != numbered(names))
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    assert sorted(counter.read_text()) == names


def test_many_without_a_directory_to_keep_them_in(local_tmp: Path) -> None:
    (local_tmp / "grid.security").write_bytes(b"")
    assert run_cache.memoize_all(parts("a", "b"), numbered) == numbered(["a", "b"])
