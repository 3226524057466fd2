# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the removal of VOs that no source names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._action import templates
from ansible_collections.grid.security.tests.unit.plugins.plugin_utils._voms.test_voms import OTHERS, Node, vo

GONE = "no source names it any more"
A, B, C, D = (vo(name, f"{name}1", f"{name}2") for name in "abcd")
OF_D = {"grid/vomsdir/d/d1.example.org.lsc", "grid/vomsdir/d/d2.example.org.lsc", "vomses/d"}


@pytest.fixture(name="node")
def _node(tmp_path: Path) -> Node:
    """Return a node with four VOs."""
    node = Node(tmp_path.resolve())
    node.run(A, B, C, D)
    return node


def purge(node: Node, *vos: Any, **arguments: Any) -> dict[str, Any]:
    return node.run(*vos, purge=True, **arguments)


def vos_of(node: Node) -> set[str]:
    """Return the names of the VOs that have a file."""
    return {path.split("/")[-2] if path.startswith("grid") else path.rpartition("/")[2] for path in node.tree()}


def why(result: dict[str, Any]) -> dict[str, list[str]]:
    return {one["name"]: one["changes"] for one in result["vos"] if one["changed"]}


def test_nothing_is_removed_unless_asked(node: Node) -> None:
    assert node.run(A)["changed"] is False
    assert vos_of(node) == {"a", "b", "c", "d"}


def test_vos_that_no_source_names_are_removed(node: Node) -> None:
    before = node.tree()
    result = purge(node, A, B, C)
    assert why(result) == {"d": [GONE]}
    assert result["summary"] == ["4 VOs, 1 changed: d"]
    assert node.tree() == {path: text for path, text in before.items() if path not in OF_D}
    assert result["warnings"] == []
    assert not (node.root / "grid/vomsdir/d").exists()
    assert purge(node, A, B, C)["changed"] is False
    assert node.calls == 1


def test_a_run_with_nothing_to_do_is_one_call(node: Node) -> None:
    assert purge(node, A, B, C, D)["changed"] is False
    assert node.calls == 1


def test_check_mode_and_diff_say_the_same(node: Node) -> None:
    before, node.check_mode, node.diff = node.tree(), True, True
    checked = purge(node, A, B, C)
    assert node.tree() == before
    shown = checked["diff"][0]["prepared"].replace(f"{node.root}/", "")
    assert "# grid/vomsdir/d/d1.example.org.lsc: unwanted\n" in shown
    assert '-"d" "d1.example.org"' in shown
    node.check_mode = False
    assert purge(node, A, B, C) == checked


def test_what_a_killed_removal_left_is_removed(node: Node) -> None:
    (node.root / "vomses/d").unlink()
    node.write("grid/vomsdir/d/.grid-security-0.tmp", "")
    assert why(purge(node, A, B, C)) == {"d": [GONE]}
    assert not (node.root / "grid/vomsdir/d").exists()


def test_empty_directories_are_removed(node: Node) -> None:
    node.run({"name": "d", "state": "absent"})
    assert (node.root / "grid/vomsdir/d").is_dir()
    node.check_mode = True
    checked = purge(node, A, B, C)
    assert (node.root / "grid/vomsdir/d").is_dir()
    node.check_mode = False
    assert purge(node, A, B, C) == checked
    assert why(checked) == {"d": [GONE, f"{node.root}/grid/vomsdir/d: unwanted"]}
    assert not (node.root / "grid/vomsdir/d").exists()
    assert purge(node, A, B, C)["changed"] is False
    assert node.calls == 1


def test_empty_directories_are_no_reason_to_refuse(node: Node) -> None:
    for name in ("x", "y", "z", "v", "w"):
        (node.root / "grid/vomsdir" / name).mkdir()
    assert set(why(purge(node, A, B, C, D))) == {"v", "w", "x", "y", "z"}


def test_empty_directories_stay_after_a_mistake(node: Node) -> None:
    (node.root / "grid/vomsdir/x").mkdir()
    purge(node, A, B, C, D, {"servers": []})
    assert (node.root / "grid/vomsdir/x").is_dir()


def test_directories_with_other_files_stay(node: Node) -> None:
    node.write("grid/vomsdir/d/README", "not read by clients")
    (node.root / "grid/vomsdir/c/old").mkdir()
    assert why(purge(node, A, B)) == {"c": [GONE], "d": [GONE]}
    assert [path.name for path in (node.root / "grid/vomsdir/d").iterdir()] == ["README"]
    assert [path.name for path in (node.root / "grid/vomsdir/c").iterdir()] == ["old"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("vomses/d-d1.example.org", '"d" "d1.example.org" "15001" "/CN=d1" "d"\n'),
        ("vomses/site", f'{OTHERS.replace("c", "e")}"d" "d1.example.org" "15001" "/CN=d1" "d"\n'),
        ("vomses/d", '# of the site\n"d" "d1.example.org" "15001" "/CN=d1" "d"\n'),
        ("vomses/d", '"d" "d1.example.org" "15001" "/CN=d1" "d" "24"\n'),
        ("vomses/d", '"d"  "d1.example.org" "15001" "/CN=d1" "d"\n'),
        ("grid/vomsdir/d/d1.example.org.lsc", "/CN=d1\n\n/CN=CA\n"),
        ("grid/vomsdir/d/d1.example.org.lsc", "/CN=d1\n/CN=CA\n--- NEXT CHAIN ---\n/CN=d1\n/CN=CB\n"),
        ("grid/vomsdir/d/old.pem", "certificate"),
        ("grid/vomsdir/d/not a host.lsc", "/CN=d1\n/CN=CA\n"),
    ],
)
def test_vos_of_others_are_left_and_told(node: Node, path: str, text: str) -> None:
    node.write(path, text)
    (node.root / path).chmod(0o644)
    before = node.tree()
    result = purge(node, A, B, C)
    assert not result["changed"]
    assert node.tree() == before
    (warning,) = [one for one in result["warnings"] if "no source names" in one]
    assert f"d ({node.root}/{path})" in warning
    assert "{name: VO, state: absent}" in warning
    absent = purge(node, A, B, C, {"name": "d", "state": "absent"})
    assert " d (" not in str(absent["warnings"])
    assert "d" not in vos_of(node)


def test_other_modes_and_links_are_not_ours(node: Node) -> None:
    (node.root / "vomses/d").chmod(0o664)
    (node.root / "grid/vomsdir/c/c1.example.org.lsc").unlink()
    (node.root / "grid/vomsdir/c/c1.example.org.lsc").symlink_to("c2.example.org.lsc")
    result = purge(node, A, B)
    assert not result["changed"]
    assert f"c ({node.root}/grid/vomsdir/c/c1.example.org.lsc), d ({node.root}/vomses/d)" in result["warnings"][0]


def test_what_is_no_vo_is_left(node: Node) -> None:
    node.write("grid/vomsdir/legacy.pem", "certificate")
    node.write("grid/vomsdir/d/README", "not read by clients")
    node.write("grid/vomsdir/.hidden/x.lsc", "/CN=d1\n/CN=CA\n")
    (node.root / "grid/vomsdir/link").symlink_to("d")
    result = purge(node, A, B, C)
    assert why(result) == {"d": [GONE]}
    assert result["warnings"] == []
    assert {"grid/vomsdir/legacy.pem", "grid/vomsdir/d/README", "grid/vomsdir/.hidden/x.lsc"} <= node.tree().keys()


def test_entries_of_others_in_a_file_of_ours_stay(node: Node) -> None:
    text = (node.root / "vomses/d").read_text()
    node.write("vomses/d", OTHERS.replace('"c"', '"e"') + text)
    result = purge(node, A, B, C)
    assert why(result) == {"d": [GONE, f"unwanted entries in {node.root}/vomses/d"]}
    assert node.tree()["vomses/d"] == OTHERS.replace('"c"', '"e"')
    assert "e (" in result["warnings"][0]


# --- more than half -------------------------------------------------------------------------------------------------


def test_more_than_half_is_refused(node: Node) -> None:
    before = node.tree()
    result = purge(node, A, vo("e", "e1"))
    assert result["failed"] is True
    assert result["error_code"] == "shrink"
    assert "nothing is purged. No source names b, c, d, but" in result["msg"]
    assert "more than half of the 4 VOs in place" in result["msg"]
    assert "allow_shrink: true" in result["msg"]
    assert before.items() <= node.tree().items()
    assert "e" in vos_of(node)
    assert why(result) == {"e": ["missing"]}
    allowed = purge(node, A, vo("e", "e1"), allow_shrink=True)
    assert "failed" not in allowed
    assert vos_of(node) == {"a", "e"}


def test_half_is_not_more_than_half(node: Node) -> None:
    assert why(purge(node, A, B)) == {"c": [GONE], "d": [GONE]}


def test_no_vo_at_all_is_refused(node: Node) -> None:
    assert purge(node)["error_code"] == "shrink"
    assert vos_of(node) == {"a", "b", "c", "d"}
    assert list(why(purge(node, allow_shrink=True))) == ["a", "b", "c", "d"]
    assert node.tree() == {}
    assert purge(node)["changed"] is False


def test_absent_vos_do_not_count(node: Node) -> None:
    absent = [{"name": name, "state": "absent"} for name in "bc"]
    result = purge(node, A, *absent)
    assert set(why(result)) == {"b", "c", "d"}


# --- mistakes keep their VOs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        vo("d", "d1", port=0),
        {"name": "d", "servers": []},
        {"name": "d", "sorvers": []},
        "d",
        {"name": "d", templates.UNREADABLE: "a template in it cannot be filled: 'x' is undefined"},
    ],
)
def test_a_vo_that_is_defined_wrongly_is_kept(node: Node, wrong: Any) -> None:
    result = purge(node, A, B, wrong)
    assert result["failed"] is True
    assert why(result) == {"c": [GONE]}
    assert vos_of(node) == {"a", "b", "d"}
    assert "1 VO is defined wrongly and left as it is" in result["msg"]


@pytest.mark.parametrize(
    "wrong", [7, {"servers": []}, {templates.UNREADABLE: "'x' is undefined", "line": "{{ x }}"}, {"name": 5}]
)
def test_nothing_is_purged_if_an_item_has_no_name(node: Node, wrong: Any) -> None:
    result = purge(node, A, B, C, vo("e", "e1"), wrong, allow_shrink=True)
    assert result["failed"] is True
    assert vos_of(node) == {"a", "b", "c", "d", "e"}
    assert "nothing is purged" in result["msg"]


def write_import(node: Node, *names: str) -> dict[str, str]:
    for name in names:
        node.write(f"site/vomses/{name}", f'"{name}" "{name}1.example.org" "15001" "/CN={name}1" "{name}"\n')
        node.write(f"site/vomsdir/{name}/{name}1.example.org.lsc", f"/CN={name}1\n/CN=CA\n")
    return {"import_vomses": "site/vomses", "import_vomsdir": "site/vomsdir"}


def placed(node: Node) -> set[str]:
    return {path.rpartition("/")[2] for path in node.tree() if path.startswith("vomses/")}


def test_a_vo_whose_import_fails_is_kept(node: Node) -> None:
    arguments = write_import(node, "b", "c", "e")
    node.write("site/vomsdir/c/c1.example.org.lsc", "/CN=other\n/CN=CA\n")
    before = (node.root / "vomses/c").read_text()
    result = purge(node, A, **arguments)
    assert result["failed"] is True
    assert "site/vomsdir/c/c1.example.org.lsc: it is for /CN=other" in result["msg"]
    assert placed(node) == {"a", "b", "c", "e"}
    assert (node.root / "vomses/c").read_text() == before


@pytest.mark.parametrize("cause", ["missing", "malformed", "no directory"])
def test_nothing_is_purged_if_the_import_fails(node: Node, cause: str) -> None:
    arguments = write_import(node, "b", "c")
    if cause == "missing":
        arguments["import_vomses"] = "site/nowhere"
    elif cause == "malformed":
        node.write("site/vomses/x", '"d" "d1.example.org"\n')
    else:
        arguments["import_vomsdir"] = "site/vomses/b"
    result = purge(node, A, vo("e", "e1"), **arguments, allow_shrink=True)
    assert result["failed"] is True
    assert result["error_code"] == "bad_import"
    assert placed(node) == {"a", "b", "c", "d", "e"}
    assert "nothing is purged. No source names" in result["msg"]
    assert "but the import failed, and it may name them." in result["msg"]


def test_a_name_that_the_import_lacks_is_kept(node: Node) -> None:
    arguments = write_import(node, "b")
    result = purge(node, A, C, **arguments, import_vos=["b", "d"])
    assert "it has no entry of d" in result["msg"]
    assert placed(node) == {"a", "b", "c", "d"}


def test_a_vo_that_the_import_has_only_lsc_files_of_is_kept(node: Node) -> None:
    arguments = write_import(node, "b", "d")
    (node.root / "site/vomses/d").unlink()
    result = purge(node, A, **arguments)
    assert why(result).keys() == {"b", "c"}
    assert placed(node) == {"a", "b", "d"}
