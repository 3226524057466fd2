# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the import of VOs from the configuration of a site."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._voms import vo_import
from ansible_collections.grid.security.plugins.plugin_utils._voms.vo_mistakes import Mistakes
from ansible_collections.grid.security.plugins.plugin_utils._voms.vomses import Server, Vo

A = Vo("a", [Server("one.example.org", 15001, "/CN=one", "/CN=CA", "a")])
B = Vo("b", [Server("two.example.org", 443, "/CN=two", "/CN=CA", "bee"), Server("new", 1, "/CN=n", "/CN=CA", "b")])


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Path:
    (tmp_path / "vomses").mkdir()
    lines = B.vomses.splitlines()
    (tmp_path / "vomses/of-a-and-b").write_text(f'# old\n{lines[0]} "24"\n\n{A.vomses}')
    (tmp_path / "vomses/of-b").write_text(f"{lines[1]}\r\n{lines[0]}\r\n")
    (tmp_path / "vomses/.hidden").write_text("not read by all")
    (tmp_path / "vomses/directory").mkdir()
    for vo in (A, B):
        for server in vo.servers:
            add_lsc(tmp_path, vo.name, server.host, server.lsc)
    return tmp_path


def add_lsc(site: Path, vo: str, host: str, text: str) -> None:
    (site / "vomsdir" / vo).mkdir(parents=True, exist_ok=True)
    (site / "vomsdir" / vo / f"{host}.lsc").write_text(text)


def read(site: Path, chosen: list[str] | None = None, defined: tuple[str, ...] = ()) -> tuple[list[Vo], list[str]]:
    return vo_import.read(str(site / "vomses"), str(site / "vomsdir"), chosen, defined)


def refused(site: Path, chosen: list[str] | None = None) -> str:
    with pytest.raises(GridSecurityError) as error:
        read(site, chosen)
    assert error.value.error_code in ("bad_import", "bad_vo")
    return error.value.message.replace(str(site), "SITE")


def test_all(site: Path) -> None:
    assert read(site) == ([A, B], [])


def test_an_lsc_file_in_the_spelling_of_openssl_3_keeps_it(site: Path) -> None:
    """C++ clients on OpenSSL 3 compare this spelling."""
    (site / "vomses/of-a-and-b").write_text(A.vomses.replace("/CN=one", "/CN=host/one"))
    add_lsc(site, "a", "one.example.org", "/CN=host\\/one\n/CN=CA\n")
    (found,), _warnings = read(site, ["a"])
    assert found.servers[0].lsc == "/CN=host\\/one\n/CN=CA\n"


def test_single_file(site: Path) -> None:
    assert vo_import.read(str(site / "vomses/of-a-and-b"), str(site / "vomsdir"), ["a"]) == ([A], [])


def test_chosen_and_defined(site: Path) -> None:
    (site / "vomsdir/b/two.example.org.lsc").write_text("# broken, and of no concern")
    assert read(site, ["a"]) == ([A], [])
    assert read(site, None, ("b",)) == ([A], [])
    assert read(site, ["a", "c"], ("c",)) == ([A], [])
    assert read(site, []) == ([], [])


def test_chosen_that_is_not_there(site: Path) -> None:
    assert "it has no entry of c, d." in refused(site, ["a", "d", "c"])


def test_servers_without_entry_are_told(site: Path) -> None:
    add_lsc(site, "a", "old.example.org", "anything")
    add_lsc(site, "c", "c.example.org", "anything")
    vos, warnings = read(site)
    assert vos == [A, B]
    assert [text.replace(str(site), "SITE") for text in warnings] == [
        "SITE/vomsdir: not imported, because SITE/vomses has no entry of the VO for the server:"
        " a/old.example.org.lsc, c/c.example.org.lsc"
    ]
    assert read(site, ["b"])[1] == []


def test_malformed_line_is_named(site: Path) -> None:
    with (site / "vomses/of-b").open("a") as stream:
        stream.write('"b" "three" "1" "/CN=three"\n')
    assert refused(site, ["a"]).startswith("SITE/vomses/of-b, line 3: it is not of the form")


def test_name_that_leads_elsewhere(site: Path) -> None:
    with (site / "vomses/of-b").open("a") as stream:
        stream.write(A.vomses.replace('"a"\n', '"../a"\n'))
    assert refused(site).startswith("SITE/vomses/of-b, line 3: '../a' is no name of a VO")


def test_server_that_no_definition_could_have(site: Path) -> None:
    (site / "vomses/of-b").write_text('"b" "x_y" "1" "/CN=two" "b"')
    add_lsc(site, "b", "x_y", "/CN=two\n/CN=CA\n")
    assert "of-b, line 1: 'x_y' is no host name" in refused(site)


@pytest.mark.parametrize("host", ["../../secret", "/etc/secret", "nul\0", "x" * 5000])
def test_host_that_leads_elsewhere(site: Path, host: str) -> None:
    (site / "secret.lsc").write_text("/CN=two\n/CN=CA\n")
    (site / "vomses/of-b").write_text(f'"b" "{host}" "1" "/CN=two" "b"')
    assert "is no host name" in refused(site)


def test_what_is_no_file_is_not_waited_for(site: Path) -> None:
    path = site / "vomsdir/a/one.example.org.lsc"
    path.unlink()
    os.mkfifo(path)
    assert refused(site).endswith("one.example.org.lsc: it is no file. Check the path.")
    path.unlink()
    path.write_text("/CN=one\n" * (1 << 18))
    assert refused(site).endswith("one.example.org.lsc: it is larger than 1 MiB. Check the path.")


def test_contradiction(site: Path) -> None:
    (site / "vomses/of-c").write_text(A.vomses.replace("15001", "15002"))
    assert (
        "SITE/vomses/of-c, line 1: its entry of a for one.example.org differs from SITE/vomses/of-a-and-b, line 4"
        in refused(site)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# comment\n/CN=one\n/CN=CA\n", "it has a comment in line 1"),
        ("/CN=one\n/CN=CA\n------ NEXT CHAIN ------\n/CN=x\n/CN=y\n", r"it has more than one chain (line 3)"),
        ("/CN=one\n", "it must have two lines"),
        ("/CN=other\n/CN=CA\n", "it is for /CN=other, but SITE/vomses/of-a-and-b, line 4 has /CN=one"),
    ],
)
def test_lsc_files_that_are_refused(site: Path, text: str, message: str) -> None:
    path = site / "vomsdir/a/one.example.org.lsc"
    path.write_text(text)
    assert refused(site).startswith(f"SITE/vomsdir/a/one.example.org.lsc: {message}")


def test_lsc_file_that_is_missing(site: Path) -> None:
    (site / "vomsdir/a/one.example.org.lsc").unlink()
    assert refused(site) == (
        "SITE/vomses/of-a-and-b, line 4: a has no LSC file SITE/vomsdir/a/one.example.org.lsc."
        " Add it, or leave a out by import_vos."
    )


def test_vomsdir_that_is_a_file(site: Path) -> None:
    with pytest.raises(GridSecurityError, match="it is no directory.*import_vomsdir"):
        vo_import.read(str(site / "vomses"), str(site / "vomses/of-b"), None)


def test_a_vo_that_cannot_be_imported_costs_only_itself(site: Path) -> None:
    (site / "vomses/of-c").write_text('"c" "c.example.org" "x" "/CN=c" "c"\n"d" "d" "1" "/CN=d" "../d"\n')
    add_lsc(site, "b", "new", "/CN=other\n/CN=CA\n")
    mistakes = Mistakes()
    found, _warnings = vo_import.read(str(site / "vomses"), str(site / "vomsdir"), None, (), mistakes)
    assert found == [A]
    assert mistakes.kept == {"../d", "b", "c"}
    assert not mistakes.cause_to_keep_all
    assert [one.replace(f"{site}/", "").split(":")[0] for one in mistakes.messages] == [
        "vomses/of-c, line 2",
        "vomsdir/b/new.lsc",
        "vomses/of-c, line 1",
    ]
