# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the file sets of a task: digests are sent first, and contents only for sets that differ."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import exchange
from ansible_collections.grid.security.plugins.plugin_utils._action import file_sets


class Node:
    """This machine. ``calls`` has the sets and contents of each call."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.calls: list[tuple[list[str], int]] = []

    def run(self, check: bool = False, diff: bool = False, **contents: str | None) -> dict[str, Any]:
        """Return the result for a set of one file by name. A file without a content is in a missing directory."""
        sets = [
            {"name": name, "entries": [{"path": str(self._path(name, content)), "content": content or "x"}]}
            for name, content in contents.items()
        ]
        action = SimpleNamespace(arguments={"sets": sets}, check_mode=check, diff=diff)
        self.calls = []

        def send(sets: list[dict[str, Any]], sent: dict[str, str]) -> list[dict[str, Any]]:
            self.calls.append(([file_set["name"] for file_set in sets], len(sent)))
            return inspectors.converge(sets, sent, check, diff)

        result: dict[str, Any] = exchange.run(file_sets.place(action), send)  # type: ignore[arg-type]
        return result

    def _path(self, name: str, content: str | None) -> Path:
        return self.root / name if content else self.root / "missing" / name


@pytest.fixture(name="node")
def _node(tmp_path: Path) -> Node:
    return Node(tmp_path.resolve())


def test_contents_are_sent_only_for_sets_that_differ(node: Node) -> None:
    assert node.run(a="1", b="2")["changed"]
    assert node.calls == [(["a", "b"], 0), (["a", "b"], 2)]
    result = node.run(a="1", b="3", c="4")
    assert node.calls == [(["a", "b", "c"], 0), (["b", "c"], 2)]
    assert [(outcome["name"], outcome["changed"]) for outcome in result["sets"]] == [
        ("a", False),
        ("b", True),
        ("c", True),
    ]
    assert not node.run(a="1", b="3", c="4")["changed"]
    assert len(node.calls) == 1


def test_check_mode_sends_contents_only_for_a_diff(node: Node) -> None:
    assert node.run(check=True, a="1")["changed"]
    assert len(node.calls) == 1
    assert "+1" in str(node.run(check=True, diff=True, a="1")["diff"])
    assert len(node.calls) == 2
    assert not list(node.root.iterdir())


def test_a_set_that_fails_does_not_stop_the_others(node: Node) -> None:
    result = node.run(a=None, b="2")
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["msg"].startswith("a: ")
    assert (node.root / "b").read_text() == "2"
