# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare with Globus: its library reads the grid-mapfiles of this collection and returns the account."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._mapfile import gridmap
from ansible_collections.grid.security.plugins.plugin_utils._mapfile.gridmap import Mapping


class Globus:
    """Load Debian's libglobus-gss-assist3, which GridFTP uses, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._library = ctypes.CDLL("libglobus_gss_assist.so.3")

    def account(self, text: str, dn: str) -> str | None:
        """Return the account to which a file maps a certificate. :param dn: in the form of X509_NAME_oneline."""
        self._path.write_text(text)
        os.environ["GRIDMAP"] = str(self._path)
        found = ctypes.c_char_p()
        failed = self._library.globus_gss_assist_gridmap(ctypes.c_char_p(dn.encode()), ctypes.byref(found))
        return None if failed or found.value is None else found.value.decode()


@pytest.fixture(name="globus")
def _globus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Globus:
    monkeypatch.setenv("GRIDMAP", "")  # so that monkeypatch restores it
    return Globus(tmp_path / "grid-mapfile")


NAMES = [
    "/DC=org/DC=example/CN=Alice A",
    r"/CN=\x41",
    r"/CN=a\b",
    r"/CN=a\\b",
    "/CN=ends with \\",
    r"/CN=\x",
    r"/CN=\x4",
    r"/CN=\\x41\x5C",
    r"/CN=Jos\xC3\xA9",
    r"/CN=\xc3\xa9 in lower case",
    "/CN=host/node.example.org",
    "/CN=https://a+b//",
    "/CN=a # b",
    "/CN='a'",
    *(f"/CN=a\\x{byte:02X}b" for byte in range(256)),
]


@pytest.mark.parametrize("dn", NAMES)
def test_globus_reads_the_name_that_was_written(globus: Globus, dn: str) -> None:
    text = gridmap.render([Mapping("/CN=before", ("before",)), Mapping(dn, ("alice",))])
    assert globus.account(text, dn) == "alice"
    assert globus.account(text, one_line_dn.spellings(dn)[-1]) == "alice"  # as OpenSSL 3 prints the name
    assert one_line_dn.comparable(gridmap.read(text)[1].dn) == one_line_dn.comparable(dn)


def test_nobody_gets_the_name_of_another_by_a_backslash(globus: Globus) -> None:
    text = gridmap.render([Mapping(r"/CN=\x41", ("eve",))])
    assert globus.account(text, "/CN=A") is None


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("/CN=Alice", "/cn=aLICE"),
        ("/CN=A/Email=a@b", "/CN=A/emailAddress=a@b"),
        ("/CN=A/E=a@b", "/CN=A/Email=a@b"),
        ("/UID=a", "/USERID=a"),
        ("/CN=A B", "/CN=A  B"),
        ("/CN=É", "/CN=é"),
        ("/CN=Alice", "/CN=Alice/CN=proxy"),
    ],
)
def test_names_are_compared_as_globus_compares_them(globus: Globus, written: str, asked: str) -> None:
    same = one_line_dn.comparable(written) == one_line_dn.comparable(asked)
    assert (globus.account(gridmap.render([Mapping(written, ("alice",))]), asked) == "alice") is same


@pytest.mark.parametrize("line", [r'"/CN=\x41" a', r'"/CN=a\b" a', r'"/CN=\xC3" a', r"/CN=\x41 a", '"/CN=A B" a,b'])
def test_a_line_is_read_as_globus_reads_it(globus: Globus, line: str) -> None:
    mapping = gridmap.parse(line)
    assert globus.account(line + "\n", mapping.dn) == mapping.accounts[0]


def test_the_first_of_two_lines_counts(globus: Globus) -> None:
    text = gridmap.render([Mapping("/CN=A", ("alice",)), Mapping("/CN=a", ("bob",))])
    assert globus.account(text, "/CN=A") == "alice"
