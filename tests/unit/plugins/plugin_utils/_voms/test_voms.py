# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the VOMS configuration on a node: placing it, comparing it, and keeping files of other origin."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.plugin_utils._voms import voms
from ansible_collections.grid.security.tests.support import pki

OLD = '"a" "old.example.org" "15001" "/CN=old" "a"\n'
OTHERS = '"c" "c.example.org" "15003" "/CN=c" "c"\n'


def vo(name: str, *hosts: str, **changes: Any) -> dict[str, Any]:
    servers = [{"host": f"{host}.example.org", "port": 15001, "dn": f"/CN={host}", "ca_dn": "/CN=CA"} for host in hosts]
    return {"name": name, "servers": [{**one, **changes} for one in servers]}


@dataclass
class Node:
    """This machine, below a directory of the test; ``calls`` counts executions of the engine."""

    root: Path
    calls: int = 0
    check_mode: bool = False
    diff: bool = False
    arguments: dict[str, Any] = field(default_factory=dict)

    def find(self, src: str) -> str:
        return str(self.root / src)

    def send(self, sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        self.calls += 1
        return inspectors.converge(sets, contents, self.check_mode, self.diff)

    def run(self, *vos: Any, **arguments: Any) -> dict[str, Any]:
        """Run a task, and return its result."""
        self.calls = 0
        result = exchange.run(self.talk(*vos, **arguments), self.send)
        told: dict[str, Any] = result
        return told

    def talk(self, *vos: Any, **arguments: Any) -> exchange.Exchange:
        paths = {"vomses_path": str(self.root / "vomses"), "vomsdir_path": str(self.root / "grid/vomsdir")}
        return voms.place(self, {"vos": list(vos), **paths, **arguments})  # type: ignore[arg-type]

    def why(self, *vos: Any) -> dict[str, list[str]]:
        """Run a task, and return the changes by VO, without the directory of the test."""
        result = self.run(*vos)
        assert result["changed"] is any(one["changed"] for one in result["vos"])
        return {one["name"]: [text.replace(f"{self.root}/", "") for text in one["changes"]] for one in result["vos"]}

    def tree(self) -> dict[str, str]:
        """All files by path."""
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.root)): path.read_text() for path in sorted(files)}

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)


@pytest.fixture(name="node")
def _node(tmp_path: Path) -> Node:
    return Node(tmp_path.resolve())


A = vo("a", "one", "two")
PLACED = {
    "grid/vomsdir/a/one.example.org.lsc": "/CN=one\n/CN=CA\n",
    "grid/vomsdir/a/two.example.org.lsc": "/CN=two\n/CN=CA\n",
    "vomses/a": '"a" "one.example.org" "15001" "/CN=one" "a"\n"a" "two.example.org" "15001" "/CN=two" "a"\n',
}


def test_placed_and_then_left_alone(node: Node) -> None:
    assert node.why(A) == {"a": ["missing"]}
    assert node.calls == 2
    assert node.tree() == PLACED
    for path in node.root.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)
    assert node.why(A) == {"a": []}
    assert node.calls == 1


def test_one_call_also_among_files_of_others(node: Node) -> None:
    node.run(A)
    node.write("vomses/c", OTHERS)
    node.write("grid/vomsdir/a/README", "ours")
    assert node.run(A)["changed"] is False
    assert node.calls == 1


def test_check_mode_says_the_same_and_changes_nothing(node: Node) -> None:
    node.write("vomses/site", OLD + OTHERS)
    before, node.check_mode, node.diff = node.tree(), True, True
    checked = node.run(A)
    assert node.calls == 1
    assert node.tree() == before
    node.check_mode = False
    assert node.run(A) == checked
    assert node.calls == 2
    assert node.tree() == {**PLACED, "vomses/site": OTHERS}


def test_stale_entries_are_removed_whatever_their_files_are_called(node: Node) -> None:
    node.write("vomses/a-old.example.org", OLD)
    node.write("vomses/old.example.org.vomses", f"# of a\n\n{OLD}{OLD}")
    node.write("grid/vomsdir/a/old.example.org.lsc", "/CN=old\n/CN=CA\n")
    node.write("grid/vomsdir/a/old.pem", "")
    node.write("grid/vomsdir/a/certificate", pki.issue("old").pem.decode())
    assert node.why(A) == {
        "a": ["server old.example.org unwanted", "server one.example.org missing", "server two.example.org missing"]
    }
    assert node.tree() == PLACED


def test_the_rest_of_a_shared_file_stays(node: Node) -> None:
    before, after = f"# ours\r\n{OTHERS}", '\n"b" "b" "1" "/CN=b" "b"'
    node.write("vomses/site", f"{before}{OLD}{after}")
    (node.root / "vomses/site").chmod(0o664)
    assert "unwanted entries in vomses/site" in node.why(A)["a"]
    assert (node.root / "vomses/site").read_bytes() == f"{before}{after}".encode()
    assert (node.root / "vomses/site").stat().st_mode & 0o777 == 0o664
    assert node.run(A)["changed"] is False


def test_entries_of_others_in_our_file_stay(node: Node) -> None:
    node.write("vomses/a", f"# comment\n{OLD}{OTHERS[:-1]}")
    node.run(A)
    assert node.tree()["vomses/a"] == OTHERS + PLACED["vomses/a"]
    assert node.run(A)["changed"] is False


def test_what_belongs_to_others_stays(node: Node) -> None:
    others = {
        "vomses/c": OTHERS,
        "vomses/a-like": '"a" "x" "1" "/CN=x" "a-like"\n',
        "grid/vomsdir/c/c.example.org.lsc": "/CN=c\n/CN=CA\n",
        "grid/vomsdir/legacy.pem": "certificate",
        "grid/vomsdir/a/old.example.org.lsc.rpmsave": "not read by clients",
    }
    for path, text in others.items():
        node.write(path, text)
    (node.root / "grid/vomsdir/a/directory.lsc").mkdir()
    node.run(A)
    assert node.tree() == {**PLACED, **others}


DRIFT = {
    "grid/vomsdir/a/one.example.org.lsc": ("/CN=two\n/CN=CA\n", "server one.example.org: LSC file differs"),
    "grid/vomsdir/a/two.example.org.lsc": (None, "server two.example.org: LSC file missing"),
    "vomses/a": (PLACED["vomses/a"].replace("15001", "15002", 1), "server one.example.org: vomses entry differs"),
}


@pytest.mark.parametrize("path", DRIFT)
def test_drift_is_named_and_mended(node: Node, path: str) -> None:
    node.run(A)
    text, why = DRIFT[path]
    if text is None:
        (node.root / path).unlink()
    else:
        node.write(path, text)
    assert node.why(A) == {"a": [why]}
    assert node.tree() == PLACED


@pytest.mark.parametrize("path", PLACED)
def test_drift_that_is_no_servers(node: Node, path: str) -> None:
    node.run(A)
    (node.root / path).chmod(0o600)
    assert node.why(A) == {"a": [f"{path}: mode 0600 → 0644"]}
    (node.root / path).rename(node.root / "aside")
    (node.root / path).symlink_to(node.root / "aside")
    node.diff = True
    result = node.run(A)
    assert f"{path}: now a file, was a link with the same content\n" in result["diff"][0]["prepared"]
    assert "replaced" not in str(result["vos"])
    assert not (node.root / path).is_symlink()
    with (node.root / "vomses/a").open("a") as stream:
        stream.write("# a comment, or what an editor leaves\n")
    assert node.why(A) == {"a": ["vomses/a: other content"]}


def test_absent(node: Node) -> None:
    node.run(A, vo("b", "b"))
    node.write("vomses/site", OLD + OTHERS)
    absent = {"name": "a", "state": "absent"}
    assert node.why(absent) == {"a": ["unwanted", "unwanted entries in vomses/site"]}
    assert list(node.tree()) == ["grid/vomsdir/b/b.example.org.lsc", "vomses/b", "vomses/site"]
    assert node.why(absent) == {"a": []}


def test_absent_where_nothing_is(node: Node) -> None:
    assert node.why({"name": "a", "state": "absent"}) == {"a": []}
    assert list(node.root.iterdir()) == []


def test_what_a_killed_run_left_is_cleared(node: Node) -> None:
    node.run(A)
    for path in ("vomses/.grid-security-0.tmp", "grid/vomsdir/a/.grid-security-0.tmp"):
        node.write(path, '"a" "one')
        assert node.why(A) == {"a": [f"{path}: unwanted"]}
    assert node.tree() == PLACED


def test_diff_shows_lines(node: Node) -> None:
    node.write("vomses/site", OLD + OTHERS)
    node.diff = True
    shown = node.run(vo("a", "one"))["diff"][0]["prepared"].replace(f"{node.root}/", "").splitlines()
    assert [line for line in shown if line.startswith("# ")] == [
        "# grid/vomsdir/a/one.example.org.lsc: missing",
        "# vomses/a: missing",
        "# vomses/site: other content",
    ]
    assert '+"a" "one.example.org" "15001" "/CN=one" "a"' in shown
    assert f"-{OLD[:-1]}" in shown
    assert f" {OTHERS[:-1]}" in shown


def test_what_is_wrong_with_files_of_others_is_told(node: Node) -> None:
    node.write("vomses/broken", '"c" "c.example.org"\n # indented\n# fine\n')
    node.write("vomses/.hidden", "broken too, but no Java client reads it")
    (node.root / "vomses/link").symlink_to("broken")
    (node.root / "vomses/directory").mkdir()
    told = "\n".join(node.run(A)["warnings"])
    assert told.count("Java clients stop there") == 2
    for text in (
        """: '"c" "c.example.org"' is not""",
        ": ' # indented' is not",
        "link is not read, because it is a link",
        "directory is not read, because it is a dir",
    ):
        assert text in told
    assert ".hidden" not in told


def test_what_not_everybody_may_read_stays_on_the_node(node: Node) -> None:
    node.write("vomses/hostkey.pem", f"private\n{OLD}")
    (node.root / "vomses/hostkey.pem").chmod(0o640)
    answers: list[Any] = []

    def record(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        answers.append(node.send(sets, contents))
        return answers[-1]

    result = exchange.run(node.talk(A), record)
    assert "hostkey.pem" in str(answers)
    assert base64.b64encode(b"private\n").decode()[:8] not in str(answers)
    assert (
        "hostkey.pem is not read, because it is large, or not everybody may read it. Entries" in result["warnings"][0]
    )
    assert node.tree()["vomses/hostkey.pem"] == f"private\n{OLD}"


def test_new_trust_comes_before_and_old_trust_goes_after(node: Node) -> None:
    node.run(vo("a", "one"), vo("b", "one"))
    sent: list[list[tuple[str, str]]] = []

    def record(sets: list[dict[str, Any]], contents: dict[str, str]) -> list[dict[str, Any]]:
        sent.append([(one.get("state", ""), one["path"].rsplit("/", 1)[1]) for part in sets for one in part["entries"]])
        return node.send(sets, contents)

    exchange.run(node.talk(vo("a", "two"), {"name": "b", "state": "absent"}), record)
    files = [entry for entry in sent[1] if entry[0] != "directory"]
    assert files == [
        ("file", "two.example.org.lsc"),
        ("file", "a"),
        ("absent", "b"),
        ("absent", "one.example.org.lsc"),
        ("absent", "one.example.org.lsc"),
    ]
    assert len(sent) == 2


@pytest.mark.parametrize("kind", ["file", "link"])
def test_vomses_that_is_no_directory(node: Node, kind: str) -> None:
    if kind == "file":
        node.write("vomses", OTHERS)
    else:
        node.write("elsewhere/c", OTHERS)
        (node.root / "vomses").symlink_to("elsewhere")
    before = node.tree()
    result = node.run(A)
    assert result["error_code"] == "not_a_directory"
    assert f"mkdir -m 0755 {node.root}/vomses" in result["msg"]
    assert node.tree() == before


def test_imported_vos_unless_defined(node: Node) -> None:
    node.write("site/vomses", OLD + OTHERS)
    node.write("site/vomsdir/a/old.example.org.lsc", "/CN=old\n/CN=CA\n")
    node.write("site/vomsdir/c/c.example.org.lsc", "/CN=c\n/CN=CA\n")
    options = {"import_vomses": "site/vomses", "import_vomsdir": "site/vomsdir"}
    result = node.run(A, **options)
    assert [one["name"] for one in result["vos"]] == ["a", "c"]
    tree = {path: text for path, text in node.tree().items() if not path.startswith("site")}
    assert tree == {**PLACED, "vomses/c": OTHERS, "grid/vomsdir/c/c.example.org.lsc": "/CN=c\n/CN=CA\n"}
    assert node.run(**options, import_vos=["a"])["vos"][0]["changes"] == [
        "server old.example.org missing",
        "server one.example.org unwanted",
        "server two.example.org unwanted",
    ]


def test_warnings_of_definitions_are_passed_on(node: Node) -> None:
    (warning,) = node.run(vo("a", "one", host="voms-atlas-auth.app.cern.ch"))["warnings"]
    assert "March 2025" in warning


def test_nothing_to_manage(node: Node) -> None:
    assert node.run()["error_code"] == "no_vos"
    assert node.calls == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vomses_path": "vomses"}, "vomses_path: vomses must be an absolute path"),
        ({"vomses_path": "/etc/grid-security/vomsdir/x"}, "must not lie in each other"),
        ({"vomses_path": "/etc/grid-security"}, "must not lie in each other"),
        ({"import_vomses": "x"}, "import_vomsdir"),
        ({"import_vos": ["x"]}, "import_vomses"),
        ({"vo": []}, "vo"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        voms.read_options(options)
