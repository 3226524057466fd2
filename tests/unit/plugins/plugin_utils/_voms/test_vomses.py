# SPDX-License-Identifier: GPL-3.0-or-later
"""Test readable and unreadable forms of vomses and LSC files."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._voms import vomses

LINE = '"atlas" "voms.example.org" "15001" "/DC=org/CN=voms" "vo.atlas"'
ENTRY = vomses.Entry("atlas", "voms.example.org", 15001, "/DC=org/CN=voms", "vo.atlas")
SERVER = vomses.Server("voms.example.org", 15001, "/DC=org/CN=voms", "/DC=org/CN=CA", "atlas")


def parse(line: str) -> vomses.Entry | None:
    return vomses.Line(line.encode()).parse()


def test_files_are_nothing_but_what_the_format_has() -> None:
    assert vomses.Vo("vo.atlas", [SERVER]).vomses == f"{LINE}\n"
    assert SERVER.lsc == "/DC=org/CN=voms\n/DC=org/CN=CA\n"


def test_what_is_rendered_is_parsed() -> None:
    (line,) = vomses.lines(vomses.Vo("vo.atlas", [SERVER]).vomses.encode())
    assert line.parse() == ENTRY
    assert line.vo == "vo.atlas"
    assert vomses.parse_lsc(SERVER.lsc) == (SERVER.dn, SERVER.ca_dn)


@pytest.mark.parametrize("line", [f'{LINE} "24"', f"  {LINE}\t", LINE.replace(" ", ""), f"{LINE}\r\n"])
def test_forms_that_all_clients_read(line: str) -> None:
    assert parse(line) == ENTRY


@pytest.mark.parametrize("line", ["", "   \n", "# comment", f"#{LINE}"])
def test_lines_that_clients_skip(line: str) -> None:
    assert parse(line) is None
    assert vomses.Line(line.encode()).vo is None


@pytest.mark.parametrize(
    ("line", "vo"),
    [
        (" # comment", None),
        ("atlas voms.example.org 15001 /CN=voms atlas", None),
        ('"atlas" "voms.example.org" "15001" "/CN=voms"', None),
        (LINE[:-1], None),
        (f'{LINE} "24" "x"', "vo.atlas"),
        (f'{LINE} "24', "vo.atlas"),
        (LINE.replace("voms.example.org", ""), "vo.atlas"),
        (LINE.replace("15001", "0"), "vo.atlas"),
        (LINE.replace("15001", "65536"), "vo.atlas"),
        (LINE.replace("15001", "https"), "vo.atlas"),
    ],
)
def test_lines_that_stop_some_clients(line: str, vo: str | None) -> None:
    with pytest.raises(vomses.VomsError):
        parse(line)
    assert vomses.Line(line.encode()).vo == vo


def test_lines_keep_every_byte() -> None:
    data = f"{LINE}\r\n\xff\x85# x\n\n{LINE}".encode("latin-1")
    assert b"".join(line.raw for line in vomses.lines(data)) == data
    assert [line.vo for line in vomses.lines(data)] == ["vo.atlas", None, None, "vo.atlas"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# VOMS\n/CN=a\n/CN=b\n", "comment in line 1"),
        ("/CN=a\n/CN=b\n------ NEXT CHAIN ------\n", "more than one chain"),
        ("/CN=a\n", "two lines"),
        ("", "two lines"),
        ("/CN=a\n/CN=b\n/CN=b\n/CN=c\n", "two lines"),
        ("CN=a\nCN=b\n", "two lines"),
    ],
)
def test_lsc_files_that_stop_some_clients(text: str, message: str) -> None:
    with pytest.raises(vomses.VomsError, match=message):
        vomses.parse_lsc(text)


def test_lsc_file_with_other_line_ends() -> None:
    assert vomses.parse_lsc("\n/CN=a \r\n/CN=b") == ("/CN=a", "/CN=b")
