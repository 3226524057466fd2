# SPDX-License-Identifier: GPL-3.0-or-later
"""Define homes that a hostile user prepares, and the expected outcome of each."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.tests.support import pki

__all__ = ["CASES", "CERTIFICATE", "ENORMOUS", "KEY", "Case", "Home"]

CERTIFICATE, KEY = "usercert.pem", "userkey.pem"
LEFTOVER, LOCK = ".grid-security-0123456789abcdef.tmp", ".grid-security-lock.tmp"
MADE = {"leftover": LEFTOVER, "lock": LOCK}  # by the engine, during its work


@dataclass(frozen=True)
class Home:
    """Hold a directory that is the attacker's home, and the targets of the attacks.

    :param roots: a tree of files that belong to root.
    """

    path: Path
    attacker: pwd.struct_passwd
    other: pwd.struct_passwd
    roots: Path

    @property
    def globus(self) -> Path:
        return self.path / ".globus"

    @property
    def elsewhere(self) -> Path:
        """Return the other user's ``.globus``."""
        return Path(self.other.pw_dir, ".globus")

    def own(self, path: Path, account: pwd.struct_passwd | None = None) -> Path:
        """Change the owner of a path to the attacker or to another account."""
        account = account or self.attacker
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
        return path

    def directory(self, path: str = ".globus", mode: int = 0o700, account: pwd.struct_passwd | None = None) -> Path:
        made = self.path / path
        made.mkdir()
        self.own(made, account).chmod(mode)
        return made

    def file(self, path: str, text: str = "mine", mode: int = 0o600, account: pwd.struct_passwd | None = None) -> Path:
        made = self.path / path
        made.write_text(text)
        self.own(made, account).chmod(mode)
        return made

    def link(self, path: str, target: str | Path) -> None:
        (self.path / path).symlink_to(target)
        self.own(self.path / path)

    def special(self, path: str, kind: int, device: tuple[int, int] = (0, 0)) -> None:
        """Make a FIFO or a device."""
        os.mknod(self.path / path, kind | 0o666, os.makedev(*device))
        self.own(self.path / path)

    def flag(self, path: str, attribute: str) -> None:
        """Set an attribute of a file.

        :raises CalledProcessError: the file system has no such attributes.
        """
        subprocess.run(["chattr", attribute, str(self.path / path)], check=True, capture_output=True)

    def socket(self, path: str) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            place = os.open(self.path / os.path.dirname(path), os.O_PATH)
            server.bind(f"/proc/self/fd/{place}/{os.path.basename(path)}")  # for any length of the path
            os.close(place)
        self.own(self.path / path)


Prepare = Callable[[Home], Any]


@dataclass(frozen=True)
class Case:
    """Hold the preparation, and the expected outcome of placing and of removing a credential.

    :param directory: the home, below the home of the account; as bytes, because it may be no text.
    :param backed_up: the outcome of placing with a backup, if it is another outcome.
    """

    prepare: Prepare
    placed: str = "changed"
    removed: str = "changed"
    backed_up: str | None = None
    directory: bytes | None = None

    @property
    def outcomes(self) -> dict[str, str]:
        """Return the expected outcome of each kind of run."""
        return {"placed": self.placed, "backed up": self.backed_up or self.placed, "removed": self.removed}


CASES: dict[str, Case] = {}


def case(name: str, placed: str = "changed", removed: str = "changed", **more: Any) -> Callable[[Prepare], Prepare]:
    def register(prepare: Prepare) -> Prepare:
        CASES[name] = Case(prepare, placed, removed, **more)
        return prepare

    return register


# --- the directory ----------------------------------------------------------------------------------------------------


@case("nothing there", removed="unchanged")
def _nothing(home: Home) -> None:
    pass


def _targets(home: Home, name: str) -> dict[str, str | Path]:
    """Return the target of links. :param name: of a file, or of the directory."""
    file = "" if name == ".globus" else f"/{name}"
    return {
        "to etc": f"/etc{file and '/passwd'}",
        "to root": f"/root{file}",
        "to root's files": home.roots / f".globus{file}",
        "to another user's": f"{home.elsewhere}{file}",
        "relative": f"{'../' if file else ''}../../{home.other.pw_name.split('-')[1]}/.globus{file}",
        "dangling": "nowhere",
        "a loop": name,
        "to a process": "/proc/self/fd/0" if file else "/proc/self",
        "to its own": "../mine" if file else "mine",
    }


_LINKS = ("to etc", "to root", "to root's files", "to another user's", "relative", "dangling", "a loop", "to a process")
_LINKS += ("to its own",)


def _link_cases() -> Iterator[tuple[str, Case]]:
    for kind in _LINKS:

        def linked_directory(home: Home, kind: str = kind) -> None:
            home.directory("mine")
            home.link(".globus", _targets(home, ".globus")[kind])

        yield f"directory is a link {kind}", Case(linked_directory, "not_a_directory", "not_a_directory")
        for name in (CERTIFICATE, KEY):

            def linked_file(home: Home, kind: str = kind, name: str = name) -> None:
                home.directory()
                home.file("mine")
                home.link(f".globus/{name}", _targets(home, name)[kind])

            yield f"{name} is a link {kind}", Case(linked_file)


CASES.update(_link_cases())

_SPECIAL: dict[str, Callable[[Home, str], None]] = {
    "a FIFO": lambda home, path: home.special(path, stat.S_IFIFO),
    "a socket": lambda home, path: home.socket(path),
    "a device": lambda home, path: home.special(path, stat.S_IFCHR, (1, 5)),  # /dev/zero never ends
    "a block device": lambda home, path: home.special(path, stat.S_IFBLK, (7, 0)),
}


def _special_cases() -> Iterator[tuple[str, Case]]:
    for kind, make in _SPECIAL.items():

        def special_directory(home: Home, make: Callable[[Home, str], None] = make) -> None:
            make(home, ".globus")

        yield f"directory is {kind}", Case(special_directory, "not_a_directory", "not_a_directory")
        for name in (CERTIFICATE, KEY, LEFTOVER, LOCK):
            removed = "unchanged" if name in MADE.values() else "changed"

            def special_file(home: Home, make: Callable[[Home, str], None] = make, name: str = name) -> None:
                home.directory()
                make(home, f".globus/{name}")

            yield f"{name} is {kind}", Case(special_file, removed=removed)


CASES.update(_special_cases())


@case("directory is a file", "not_a_directory", "not_a_directory")
def _file_as_directory(home: Home) -> None:
    home.file(".globus")


@case("directory without any mode", "no_access", "no_access")
def _closed(home: Home) -> None:
    home.directory(mode=0o000)


@case("directory that cannot be written", removed="os_error")
def _unwritable(home: Home) -> None:
    home.directory(mode=0o500)
    home.file(f".globus/{CERTIFICATE}")


@case("directory with every mode bit", removed="unchanged")
def _wide_open(home: Home) -> None:
    home.directory(mode=0o7777)


@case("directory of another user", "os_error", "unchanged")
def _of_another_user(home: Home) -> None:
    home.directory(mode=0o755, account=home.other)


@case("closed directory of another user", "no_access", "no_access")
def _closed_of_another_user(home: Home) -> None:
    home.directory(mode=0o700, account=home.other)


@case("directory of root", "os_error", "unchanged")
def _of_root(home: Home) -> None:
    home.directory(mode=0o777, account=pwd.getpwuid(0))


@case("immutable directory", "os_error", "os_error")
def _immutable_directory(home: Home) -> None:
    home.directory()
    home.file(f".globus/{CERTIFICATE}")
    home.flag(".globus", "+i")


@case("directory that can only be added to", "os_error", "os_error")
def _append_only_directory(home: Home) -> None:
    home.directory()
    home.file(f".globus/{CERTIFICATE}")
    home.flag(".globus", "+a")


@case("strange names")
def _strange_names(home: Home) -> None:
    home.directory()
    home.file(f".globus/{CERTIFICATE}")
    for name in (b"new\nline", b"\xff\xfe", b"\x1b]0;owned\x07", b"-rf", b" ", b"." * 200, b".grid-security-\n.tmp"):
        home.file(os.path.join(".globus", os.fsdecode(name)))


# --- the home ---------------------------------------------------------------------------------------------------------


@case("home is missing", "no_directory", "unchanged")
def _no_home(home: Home) -> None:
    home.path.rmdir()


@case("home of another user", "os_error", "unchanged")
def _home_of_another_user(home: Home) -> None:
    home.own(home.path, home.other).chmod(0o755)


@case("closed home of another user", "no_access", "no_access")
def _closed_home_of_another_user(home: Home) -> None:
    home.own(home.path, home.other).chmod(0o700)


@case("home of root", "os_error", "unchanged")
def _home_of_root(home: Home) -> None:
    home.own(home.path, pwd.getpwuid(0)).chmod(0o755)


@case("home without any mode", "no_access", "no_access")
def _closed_home(home: Home) -> None:
    home.path.chmod(0o000)


@case("home is a file", "not_a_directory", "not_a_directory")
def _file_as_home(home: Home) -> None:
    home.path.rmdir()
    home.file("")


@case("home is a link to another user's", "not_a_directory", "no_access")
def _home_is_anothers(home: Home) -> None:
    home.path.rmdir()
    Path(home.other.pw_dir).chmod(0o700)
    home.link("", home.other.pw_dir)


@case("home is a link to root's files", "not_a_directory", "os_error")
def _home_is_roots(home: Home) -> None:
    home.path.rmdir()
    home.link("", home.roots)


@case("home with a line break in its name", removed="unchanged", directory=b"new\nline")
def _line_break(home: Home) -> None:
    pass


@case("home whose name is no text", removed="unchanged", directory=b"\xff\xfe\x1b[31m")
def _no_text(home: Home) -> None:
    pass


# --- the files --------------------------------------------------------------------------------------------------------


@case("certificate is a hard link to another user's", backed_up="os_error")
def _hard_link(home: Home) -> None:
    home.directory()
    os.link(home.elsewhere / CERTIFICATE, home.globus / CERTIFICATE)


@case("key is a hard link to root's secret", backed_up="os_error")
def _hard_link_to_roots(home: Home) -> None:
    home.directory()
    os.link(home.roots / "secret", home.globus / KEY)


@case("certificate is a directory", "is_directory", "is_directory")
def _directory_as_file(home: Home) -> None:
    home.directory()
    home.directory(f".globus/{CERTIFICATE}")


@case("key is a directory with a file in it", "is_directory", "is_directory")
def _full_directory_as_file(home: Home) -> None:
    home.directory()
    home.directory(f".globus/{KEY}")
    home.file(f".globus/{KEY}/{KEY}")


@case("immutable certificate", "os_error", "os_error")
def _immutable(home: Home) -> None:
    home.directory()
    home.file(f".globus/{CERTIFICATE}")
    home.flag(f".globus/{CERTIFICATE}", "+i")


@case("certificate without any mode")
def _no_mode(home: Home) -> None:
    home.directory()
    home.file(f".globus/{CERTIFICATE}", mode=0o000)


@case("key with every mode bit")
def _every_bit(home: Home) -> None:
    home.directory()
    home.file(f".globus/{KEY}", mode=0o7777)


@case(
    "certificate of another user", backed_up="os_error"
)  # the kernel allows links only to files that the user can read and write
def _anothers_certificate(home: Home) -> None:
    home.directory()
    home.file(f".globus/{CERTIFICATE}", account=home.other)


@case("certificate without end")
def _sparse(home: Home) -> None:
    home.directory()
    os.truncate(home.file(f".globus/{CERTIFICATE}"), 1 << 40)


NO_TEXT = b"\xff\x1b[2J\xfe"


@case("anchors that are a link to what is no text", removed="unchanged")
def _anchors_to_no_text(home: Home) -> None:
    home.directory()
    home.link(".globus/certificates", os.fsdecode(NO_TEXT))


def _no_text_cases() -> Iterator[tuple[str, Case]]:
    for name in (CERTIFICATE, KEY, LEFTOVER):

        def linked(home: Home, name: str = name) -> None:
            home.directory()
            home.link(f".globus/{name}", os.fsdecode(NO_TEXT))

        yield f"{name} is a link to what is no text", Case(linked)


CASES.update(_no_text_cases())


@case("names that are no text", removed="unchanged")
def _names_no_text(home: Home) -> None:
    home.directory()
    home.directory(".globus/certificates")
    for name in (NO_TEXT, b".grid-security-\xff.tmp", b"\xff.pem", b"new\nline.pem"):
        for place in (".globus", ".globus/certificates"):
            home.file(f"{place}/{os.fsdecode(name)}")


# --- leftovers --------------------------------------------------------------------------------------------------------


def _made_cases() -> Iterator[tuple[str, Case]]:
    for what, name in MADE.items():

        def linked(home: Home, name: str = name) -> None:
            home.directory()
            home.link(f".globus/{name}", home.elsewhere / KEY)

        def hard_linked(home: Home, name: str = name) -> None:
            home.directory()
            os.link(home.roots / "secret", home.globus / name)

        def directory(home: Home, name: str = name) -> None:
            home.directory()
            home.directory(f".globus/{name}")
            home.file(f".globus/{name}/file")

        def of_another_user(home: Home, name: str = name) -> None:
            home.directory()
            home.file(f".globus/{name}", account=home.other)

        # If a leftover is a link, the link is removed. If the lock file is no file, it is ignored.
        removed = "unchanged" if name == LOCK else "changed"
        yield f"{what} is a link to another user's key", Case(linked, removed=removed)
        yield f"{what} is a hard link to root's secret", Case(hard_linked, removed="unchanged")
        yield f"{what} is a directory", Case(directory, removed="unchanged")
        yield f"{what} of another user", Case(of_another_user, removed="unchanged")


CASES.update(_made_cases())


@case("a hundred leftovers")
def _many_leftovers(home: Home) -> None:
    home.directory()
    for number in range(100):
        home.file(f".globus/.grid-security-{number:016x}.tmp")


ENORMOUS = 15_000_000  # bytes of the file with many names


@case("two dozen names of an enormous CRL")
def _enormous(home: Home) -> None:
    """Make an endless key identifier in PEM. One file has the names of leftovers, CRLs and the certificate."""
    home.directory()
    home.directory(".globus/certificates")
    text = pem.encode("X509 CRL", pki.extended_list(1, b"k" * (ENORMOUS * 3 // 4))).decode()
    home.file(f".globus/{CERTIFICATE}", text)
    for number in range(24):
        for name in (f".grid-security-{number:016x}.tmp", f"certificates/12345678.r{number}", f"{number:08x}.pem"):
            os.link(home.globus / CERTIFICATE, home.globus / name)
