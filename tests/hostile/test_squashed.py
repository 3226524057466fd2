# SPDX-License-Identifier: GPL-3.0-or-later
"""Run as root on homes where root has the rights of nobody, as on NFS with root_squash."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.tests.hostile.cases import CASES, Home
from ansible_collections.grid.security.tests.support import fuse
from ansible_collections.grid.security.tests.support.engine import Engine, Run, credential_set, encoded, removal_set

TAKEN = ("dac_override", "dac_read_search", "fowner", "chown", "fsetid")
SQUASHED = ("setpriv", "--bounding-set", ",".join(f"-{name}" for name in TAKEN))
PAIRS = [("certificate one", "key one"), ("certificate two", "key two")]
CONTENTS = encoded(*PAIRS[0], *PAIRS[1])
CHOSEN = [name for name in CASES if re.search(r"^(directory|home|cert|key)|leftover", name) and "loop" not in name]


def converge(*sets: dict[str, Any]) -> Run:
    return Engine(list(sets), CONTENTS, prefix=SQUASHED).result()


def test_root_has_lost_its_power_over_files(world: Any) -> None:
    """Check the set-up. Without it the tests below show nothing."""
    secret = world.home(world.alice) / "secret"
    for act in (f"open({str(secret)!r})", f"__import__('os').chmod({str(secret)!r}, 0o600)"):
        command = [*SQUASHED, sys.executable, "-c", act]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "PermissionError" in done.stderr


def test_the_life_of_a_credential(world: Any) -> None:
    one = world.alice.pw_name
    for wanted in ("changed", "unchanged"):
        assert converge(credential_set("one", one, "~/.globus", PAIRS[0])).kinds() == {"one": wanted}
    check_pair(world, PAIRS[0])
    (world.home(world.alice) / ".globus/.grid-security-0123.tmp").touch()
    world.own(world.alice, world.home(world.alice) / ".globus/.grid-security-0123.tmp")
    assert converge(credential_set("one", one, "~/.globus", PAIRS[1], backup=True)).kinds() == {"one": "changed"}
    check_pair(world, PAIRS[1])
    for wanted in ("changed", "unchanged"):
        assert converge(removal_set("one", one, "~/.globus")).kinds() == {"one": wanted}
    names = os.listdir(world.home(world.alice) / ".globus")
    assert len(names) == 2
    assert all(name.endswith("~") for name in names)


def check_pair(world: Any, texts: tuple[str, str]) -> None:
    paths = [world.home(world.alice) / ".globus" / name for name in ("usercert.pem", "userkey.pem")]
    assert [path.read_text() for path in paths] == list(texts)
    assert {(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in paths} == {(world.alice.pw_uid, 0o600)}


def test_hostile_homes(world: Any) -> None:
    homes = {}
    for number, name in enumerate(CHOSEN):
        home = Home(world.home(world.mallory) / f"case{number}", world.mallory, world.bob, world.roots)
        home.directory("")
        try:
            CASES[name].prepare(home)
        except subprocess.CalledProcessError:  # this file system has no such attributes
            continue
        homes[name] = home
    sets = [
        credential_set(name, world.mallory.pw_name, f"~/{home.path.name}/.globus", PAIRS[0])
        for name, home in homes.items()
    ]
    kinds = converge(*sets, credential_set("bystander", world.alice.pw_name, "~/.globus", PAIRS[1])).kinds()
    assert kinds.pop("bystander") == "changed"
    assert kinds == {name: CASES[name].placed for name in homes}


def test_root_s_own_places(world: Any) -> None:
    """Check that root changes its own files, and reports that it cannot change the owner of files."""
    place = world.root / "homes" / "service"
    place.mkdir()
    own = credential_set("own", None, str(place), PAIRS[0])
    given = credential_set("given", world.alice.pw_name, str(place), PAIRS[1])
    run = converge(own, given)
    assert run.kinds() == {"own": "changed", "given": "os_error"}
    assert "Operation not permitted" in run.outcomes["given"]["msg"]
    assert [path.read_text() for path in sorted(place.iterdir())] == list(PAIRS[0])


@contextmanager
def kept_from_root(world: Any) -> Iterator[Path]:
    """Mount alice's home as a file system that only alice may enter, not even root. Yield the real directory."""
    home, behind = world.home(world.alice), world.homes / "behind"
    os.rename(home, behind)
    home.mkdir()
    world.own(world.alice, home)
    shown = [f"--force-user={world.alice.pw_name}", f"--force-group={world.alice.pw_name}"]
    command = ["bindfs", "-f", "--no-allow-other", *shown, str(behind), str(home)]
    server = subprocess.Popen(command, preexec_fn=lambda: _mount_for(world.alice))  # noqa: PLW1509
    try:
        until_mounted(home)
        yield behind
    finally:
        subprocess.run(["umount", "-l", str(home)], check=True)
        server.wait()


def _mount_for(account: Any) -> None:
    """Mount with the effective user id of root. FUSE then admits the real user."""
    os.setgroups([])
    os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
    os.setresuid(account.pw_uid, 0, 0)


def until_mounted(place: Path) -> None:
    deadline = time.monotonic() + 20
    while f" {place} " not in Path("/proc/self/mountinfo").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_file_system_that_keeps_root_out(world: Any) -> None:
    home = world.home(world.alice)
    with kept_from_root(world) as behind:
        with pytest.raises(PermissionError):
            os.listdir(home)
        for directory, pair, wanted in (
            ("~/.globus", PAIRS[0], "changed"),
            ("~/.globus", PAIRS[0], "unchanged"),
            (f"{home}/.globus", PAIRS[1], "changed"),
        ):
            run = Engine([credential_set("one", world.alice.pw_name, directory, pair)], CONTENTS).result()
            assert run.kinds() == {"one": wanted}, run.outcomes
            assert [(behind / ".globus" / name).read_text() for name in ("usercert.pem", "userkey.pem")] == list(pair)
        run = Engine([removal_set("one", world.alice.pw_name, "~/.globus")]).result()
        assert run.kinds() == {"one": "changed"}
        assert os.listdir(behind / ".globus") == []
