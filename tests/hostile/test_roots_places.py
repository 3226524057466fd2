# SPDX-License-Identifier: GPL-3.0-or-later
"""Attack directories of root in which root places files for other accounts."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable

import pytest

from ansible_collections.grid.security.tests.support import accounts, fuse, snapshot, syscalls
from ansible_collections.grid.security.tests.support.counter import Counter
from ansible_collections.grid.security.tests.support.engine import Engine, credential_set, encoded, file_entry
from ansible_collections.grid.security.tests.support.swapping import swapping

LOCK = ".grid-security-lock.tmp"
TEXTS = ("certificate of a service", "key of a service")
CHANGES = ("mkdir", "rename", "unlink", "chmod", "fchmod", "chown", "fchown", "link", "symlink", "mknod", "truncate")


@pytest.fixture(name="shared")
def _shared(world: Any) -> Path:
    """Make a directory of root, like /srv/service."""
    path: Path = world.root / "shared"
    if path.exists():
        os.rename(path, world.root / "homes" / "old")  # removed with the next reset
    path.mkdir()
    path.chmod(0o755)
    return path


def acl(uid: int, rights: int) -> bytes:
    """Return a POSIX ACL with an entry for one user: the version, then tag, rights and id of each entry."""
    entries = ((1, 7, -1), (2, rights, uid), (4, 5, -1), (16, rights | 5, -1), (32, 5, -1))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", t, r, i & 0xFFFFFFFF) for t, r, i in entries)


# --- prepared directories ---------------------------------------------------------------------------------------------

Prepare = Callable[[Path, Any], None]
PLACES: dict[str, tuple[str, bool, Prepare]] = {}


def place(name: str, path: str, is_roots: bool = False) -> Callable[[Prepare], Prepare]:
    """Hold a way to prepare ``shared``. :param path: the directory below it. :param is_roots: whether root works."""

    def register(prepare: Prepare) -> Prepare:
        PLACES[name] = (path, is_roots, prepare)
        return prepare

    return register


@place("root's", ".", is_roots=True)
@place("new in root's", "new", is_roots=True)
def _roots(shared: Path, world: Any) -> None:
    pass


@place("writable by root's group", ".", is_roots=True)
def _roots_group(shared: Path, world: Any) -> None:
    shared.chmod(0o775)


@place("writable by a group", ".")
@place("below one writable by a group", "inner")
@place("new in one writable by a group", "new")
def _by_group(shared: Path, world: Any) -> None:
    (shared / "inner").mkdir()
    os.chown(shared, 0, world.mallory.pw_gid)
    shared.chmod(0o2775)


@place("writable by a group, sticky", ".")
@place("new in one writable by a group, sticky", "new")
def _by_group_sticky(shared: Path, world: Any) -> None:
    os.chown(shared, 0, world.mallory.pw_gid)
    shared.chmod(0o1775)


@place("writable by everybody", ".")
@place("new in one writable by everybody", "new")
def _by_everybody(shared: Path, world: Any) -> None:
    shared.chmod(0o777)


@place("writable by everybody, sticky", ".")
@place("new in one writable by everybody, sticky", "new")
def _by_everybody_sticky(shared: Path, world: Any) -> None:
    shared.chmod(0o1777)


@place("root's in one writable by everybody, sticky", "inner")
def _in_sticky(shared: Path, world: Any) -> None:
    (shared / "inner").mkdir()
    shared.chmod(0o1777)


@place("writable by an ACL", ".")
@place("new in one writable by an ACL", "new")
def _by_acl(shared: Path, world: Any) -> None:
    os.setxattr(shared, "system.posix_acl_access", acl(world.mallory.pw_uid, 7))


@place("mallory's in root's", "inner")
@place("new in mallory's", "inner/new")
def _users(shared: Path, world: Any) -> None:
    (shared / "inner").mkdir()
    world.own(world.mallory, shared / "inner")


@place("root's in mallory's", "inner/roots")
def _in_users(shared: Path, world: Any) -> None:
    (shared / "inner/roots").mkdir(parents=True)
    world.own(world.mallory, shared / "inner")


@place("mallory's link to root's, sticky", "link/.globus/new")
def _users_link(shared: Path, world: Any) -> None:
    (shared / "link").symlink_to(world.roots)
    world.own(world.mallory, shared / "link")
    shared.chmod(0o1777)


@place("root's link to mallory's home", "link/inner/new")
def _link_to_home(shared: Path, world: Any) -> None:
    inner = world.home(world.mallory) / "inner"
    inner.mkdir()
    world.own(world.mallory, inner)
    (shared / "link").symlink_to(world.home(world.mallory))


@place("root's link to root's", "link/inner/new", is_roots=True)
def _link_to_roots(shared: Path, world: Any) -> None:
    (shared / "real/inner").mkdir(parents=True)
    (shared / "link").symlink_to("real")


@pytest.mark.parametrize("name", PLACES)
def test_who_works(world: Any, shared: Path, tmp_path: Path, name: str) -> None:
    path, is_roots, prepare = PLACES[name]
    prepare(shared, world)
    roots = snapshot.take(world.roots, world.home(world.bob))
    one = credential_set("service", world.mallory.pw_name, str(shared / path), TEXTS)
    run = Engine([one], encoded(*TEXTS), prefix=syscalls.command(tmp_path / "trace")).result()
    changing = [
        call
        for call in syscalls.read(tmp_path / "trace")
        if call.uid == 0 and (call.touches(shared) or call.touches(world.homes)) and changes(call)
    ]
    if is_roots:
        assert run.kinds() == {"service": "changed"}
        assert changing
        assert [(shared / path / file).stat().st_uid for file in ("usercert.pem", "userkey.pem")] == [
            world.mallory.pw_uid
        ] * 2
    else:
        assert changing == []
        assert run.kinds()["service"] in ("changed", "no_access", "os_error", "no_directory")
    assert snapshot.differences(roots, snapshot.take(world.roots, world.home(world.bob))) == []


def changes(call: syscalls.Call) -> bool:
    return call.name.startswith(CHANGES) or "O_CREAT" in call.arguments


REFUSED = [name for name in PLACES if not PLACES[name][1] and "sticky" not in name and not name.startswith("new")]


@pytest.mark.parametrize("name", REFUSED)
def test_without_an_owner_root_refuses_to_work_there(world: Any, shared: Path, name: str) -> None:
    path, _is_roots, prepare = PLACES[name]
    prepare(shared, world)
    one = credential_set("service", None, str(shared / path), TEXTS)
    assert Engine([one], encoded(*TEXTS)).result().kinds() == {"service": "not_roots"}


# --- races ------------------------------------------------------------------------------------------------------------


def test_mode_of_a_file_that_is_exchanged(world: Any, shared: Path) -> None:
    """Exchange a file that needs another mode with root's secret. The secret must not get this mode."""
    os.chown(shared, 0, world.mallory.pw_gid)
    shared.chmod(0o775)
    (shared / "secret").write_text("root's")
    (shared / "secret").chmod(0o600)
    (shared / "token").write_text("token")
    (shared / "token").chmod(0o600)
    world.own(world.mallory, shared / "token")
    one = {"owner": world.mallory.pw_name, "directory": str(shared)}
    sets = [
        {**one, "name": str(number), "entries": [file_entry("token", "token", mode=mode)]}
        for number, mode in enumerate(["0644", "0640"] * 50)
    ]
    counter = Counter()
    with swapping(world.mallory, counter, (shared / "secret", shared / "token")):
        runs = [Engine(sets).result() for _round in range(2)]
    assert {kind for run in runs for kind in run.kinds().values()} <= KINDS
    roots = [path for path in shared.iterdir() if path.stat().st_uid == 0]
    assert [(path.read_text(), stat.S_IMODE(path.stat().st_mode)) for path in roots] == [("root's", 0o600)]
    assert counter.value() > 1000


KINDS = {"changed", "unchanged", "not_a_directory", "no_access", "os_error", "no_directory", "changed_meanwhile"}


@pytest.mark.parametrize("mode", [0o775, 0o1777])
def test_directory_that_is_exchanged(world: Any, shared: Path, mode: int) -> None:
    """Exchange mallory's directory with a directory of root and with a link, while root finds out its owner."""
    os.chown(shared, 0, world.mallory.pw_gid)
    for name in ("inner", "mine"):
        (shared / name).mkdir()
        world.own(world.mallory, shared / name)
    (shared / "roots").mkdir()
    for name in ("usercert.pem", "userkey.pem"):
        (shared / "roots" / name).write_text("root's")
        (shared / "roots" / name).chmod(0o600)
    (shared / "link").symlink_to(world.roots / ".globus")
    world.own(world.mallory, shared / "link")
    shared.chmod(mode)
    before = snapshot.take(shared / "roots", world.roots)
    sets = [credential_set(str(number), world.mallory.pw_name, str(shared / "inner"), TEXTS) for number in range(60)]
    counter = Counter()
    others = [shared / name for name in ("roots", "link", "mine")]
    with swapping(world.mallory, counter, *[(shared / "inner", other) for other in others]):
        runs = [Engine(sets, encoded(*TEXTS)).result() for _round in range(2)]
    assert counter.value() > 1000
    roots = [path for path in shared.iterdir() if path.lstat().st_uid == 0]
    assert contents(before) == contents(snapshot.take(*roots, world.roots))
    assert {kind for run in runs for kind in run.kinds().values()} <= KINDS


def contents(tree: snapshot.Tree) -> dict[int, dict[str, Any]]:
    """Compare by inode, because names are exchanged. Ignore the change time of directories for the same reason."""
    return {
        facts["ino"]: {n: v for n, v in facts.items() if n != "ctime_ns" or "content" in facts}
        for facts in tree.values()
    }


# --- file systems with false answers, or without answers --------------------------------------------------------------


def lying(world: Any) -> fuse.Served:
    """Serve a file system that reports root as the owner of everything, with a link of root in the path."""
    directory = stat.S_IFDIR | 0o755
    link = fuse.Node(stat.S_IFLNK | 0o777, 0, target=os.fsencode(world.roots))
    return fuse.Served(
        {1: fuse.Node(directory, 0, children={b"link": 2, b"inner": 3}), 2: link, 3: fuse.Node(directory, 0)}
    )


@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
@pytest.mark.parametrize("path", [".", "inner", "new", "link/.globus/new"])
def test_file_system_that_says_all_is_root_s(world: Any, tmp_path: Path, path: str) -> None:
    home = world.home(world.mallory)
    before = snapshot.take(world.roots)
    sets = [credential_set(str(owner), owner, str(home / path), TEXTS) for owner in (world.mallory.pw_name, None)]
    with fuse.mounted(home, world.mallory, lying(world), "allow_other"):
        run = Engine(sets, encoded(*TEXTS), limit=5, prefix=syscalls.command(tmp_path / "trace")).result()
    assert set(run.kinds().values()) <= {"os_error", "not_roots", "no_directory", "no_access", "not_a_directory"}
    assert run.kinds()["None"] == "not_roots"
    below = [call for call in syscalls.read(tmp_path / "trace") if call.touches(home) and call.uid == 0]
    assert below == []
    assert snapshot.differences(before, snapshot.take(world.roots)) == []


@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_file_system_that_does_not_say_whose_it_is(world: Any) -> None:
    home = world.home(world.mallory)
    served = fuse.Served({1: fuse.Node(stat.S_IFDIR | 0o755, 0)}, {fuse.GETATTR: fuse.HANG, fuse.LOOKUP: fuse.HANG})
    sets = [
        credential_set("attacked", world.mallory.pw_name, str(home / ".globus"), TEXTS),
        credential_set("bystander", world.alice.pw_name, "~/.globus", TEXTS),
    ]
    with fuse.mounted(home, world.mallory, served, "allow_other"):
        run = Engine(sets, encoded(*TEXTS), limit=1.5).result()
    assert run.kinds() == {"attacked": "timeout", "bystander": "changed"}
    assert run.seconds < 20


READ = """
import sys
from ansible_collections.grid.security.plugins.module_utils._files import node_files
node_files._TIME = 1.5
node_files.read(*sys.argv[1:])
"""


@pytest.mark.skipif(not fuse.available(), reason="needs FUSE and root")
def test_archive_in_a_file_system_that_does_not_answer(world: Any) -> None:
    home = world.home(world.mallory)
    served = fuse.Served({1: fuse.Node(stat.S_IFDIR | 0o755, 0)}, {fuse.GETATTR: fuse.HANG, fuse.LOOKUP: fuse.HANG})
    with fuse.mounted(home, world.mallory, served, "allow_other"):
        command = [sys.executable, "-c", READ, str(home / "archives/mallory.p12"), world.mallory.pw_name]
        reader = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        _out, errors = reader.communicate(timeout=30)  # run() would wait after a timeout until the process is dead
    assert "did not finish in 1.5 s" in errors


# --- locks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [fcntl.LOCK_SH, fcntl.LOCK_EX])
def test_a_reader_cannot_lock_others_out(world: Any, how: int) -> None:
    """Check that a lock on a directory by a user who may read it has no effect on others."""
    globus = world.home(world.alice) / ".globus"
    globus.mkdir()
    world.own(world.alice, globus)
    for path in (globus, globus.parent):
        path.chmod(0o755)
    sets = [
        {"name": "root", "directory": str(world.roots), "entries": [file_entry("usercert.pem", TEXTS[0])]},
        credential_set("bystander", world.alice.pw_name, "~/.globus", TEXTS),
    ]
    with ExitStack() as stack:
        for path in (world.roots, globus):
            stack.enter_context(accounts.acting_as(world.mallory, _lock, path, how))
        time.sleep(0.3)
        run = Engine(sets, encoded(*TEXTS)).result()
    assert run.kinds() == {"root": "changed", "bystander": "changed"}
    assert run.seconds < 10


def test_a_lock_file_that_is_somebody_else_s(world: Any, shared: Path) -> None:
    """Let mallory make the lock file in a directory in which everybody may make files, like /tmp."""
    shared.chmod(0o1777)
    (shared / LOCK).touch(0o600)
    world.own(world.mallory, shared / LOCK)
    sets = [
        {"name": str(owner), "owner": owner, "directory": str(shared), "entries": [file_entry(str(owner), TEXTS[0])]}
        for owner in (None, world.alice.pw_name)
    ]
    with accounts.acting_as(world.mallory, _lock, shared / LOCK, fcntl.LOCK_EX):
        time.sleep(0.3)
        run = Engine(sets, encoded(*TEXTS)).result()
    assert set(run.kinds().values()) == {"changed"}
    assert run.seconds < 10


def _lock(path: Path, how: int) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, how)
    time.sleep(100)
