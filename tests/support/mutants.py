# SPDX-License-Identifier: GPL-3.0-or-later
"""Plant small faults into the plugins, one at a time, and list those that the unit tests do not notice.

``mutants.py TREE [PART ...]``: TREE is the installed collection; PART is the start of a path below ``plugins``. The
environment may have ``MUTANTS`` (the number of faults, 500) and ``SEED`` (the choice of faults, 1). The exit status is
always 0: a person judges each fault that survives. Some faults have no visible effect.
"""

from __future__ import annotations

import ast
import concurrent.futures
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 300  # seconds for the tests of one fault, because a fault may make an endless loop
_NAMESPACE = Path("ansible_collections/grid/security")
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}


@dataclass(frozen=True)
class Fault:
    """Hold a place in a file, and the text that replaces it."""

    path: Path
    line: int
    start: int
    end: int
    replacement: str

    def planted(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def describe(self, source: bytes) -> str:
        before = " ".join(source[self.start : self.end].decode().split())
        return f"{self.path}:{self.line}: {before}  ->  {' '.join(self.replacement.split())}"


def faults(path: Path, source: bytes) -> Iterator[Fault]:
    """Yield all faults that can be planted into a file."""
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    for node in ast.walk(ast.parse(source)):
        for replaced, replacement in _replacements(node):
            start = offsets[replaced.lineno - 1] + replaced.col_offset
            end = offsets[(replaced.end_lineno or 0) - 1] + (replaced.end_col_offset or 0)
            yield Fault(path, replaced.lineno, start, end, replacement)


def _replacements(node: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield parts of the tree and the code to put in place of each."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS and len(node.ops) == 1:
        right = ast.unparse(node.comparators[0])
        yield node, f"({ast.unparse(node.left)} {_COMPARISONS[type(node.ops[0])]} {right})"
    elif isinstance(node, ast.BoolOp):
        word = " or " if isinstance(node.op, ast.And) else " and "
        yield node, f"({word.join(ast.unparse(value) for value in node.values)})"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, f"({ast.unparse(node.operand)})"
    elif isinstance(node, (ast.If, ast.IfExp)) and not isinstance(node.test, (ast.Compare, ast.BoolOp)):
        yield node.test, f"(not {ast.unparse(node.test)})"
    elif isinstance(node, ast.Constant) and type(node.value) in (bool, int):
        yield node, repr(not node.value) if isinstance(node.value, bool) else f"{node.value + 1}"
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield node, "return None"
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield node, "pass"


def _is_none(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is None


class Tests:
    """Return the unit tests of each module: by the name of the file, then by its name in their text, or else all."""

    def __init__(self, tree: Path) -> None:
        self._texts = {path: path.read_text() for path in sorted((tree / "tests/unit").rglob("test_*.py"))}
        self._tree = tree

    def of(self, module: Path) -> list[str]:
        name = module.stem
        own = [path for path in self._texts if re.fullmatch(rf"test_{name}(_\w+)?", path.stem)]
        users = [path for path, text in self._texts.items() if re.search(rf"\b{name}\b", text) and path not in own]
        # Without a path, pytest would also run the hostile tests, as root.
        return [str(path.relative_to(self._tree)) for path in own + users] or ["tests/unit"]


class Runner:
    """Run the tests of a fault. Each thread has a copy of the collection."""

    def __init__(self, tree: Path, scratch: Path) -> None:
        self._tree, self._scratch, self._tests = tree, scratch, Tests(tree)
        self._local = threading.local()

    def is_noticed(self, fault: Fault) -> bool:
        root = self._copy()
        target = root / _NAMESPACE / fault.path
        source = target.read_bytes()
        target.write_bytes(fault.planted(source))
        try:
            return self._fail(root, self._tests.of(fault.path))
        finally:
            target.write_bytes(source)

    def fails_without_fault(self, modules: list[Path]) -> bool:
        """Return whether a test of these modules fails. There is no time limit: all tests may take longer than one."""
        tests = sorted({test for module in modules for test in self._tests.of(module)})
        return self._fail(self._copy(), ["tests/unit"] if "tests/unit" in tests else tests, None)

    def _copy(self) -> Path:
        if not hasattr(self._local, "root"):
            self._local.root = Path(tempfile.mkdtemp(dir=self._scratch))
            shutil.copytree(self._tree, self._local.root / _NAMESPACE, symlinks=True)
        root: Path = self._local.root
        return root

    @staticmethod
    def _fail(root: Path, tests: list[str], seconds: int | None = _SECONDS) -> bool:
        command = [sys.executable, "-B", "-m", "pytest", "-qx", "-p", "no:cacheprovider", "-W", "ignore", *tests]
        environment = {**os.environ, "PYTHONPATH": str(root), "ANSIBLE_COLLECTIONS_PATH": str(root)}
        try:
            done = subprocess.run(
                command, cwd=root / _NAMESPACE, env=environment, capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return True
        return done.returncode != 0


def main(tree: Path, parts: list[str]) -> None:
    modules = [path.relative_to(tree) for path in sorted((tree / "plugins").rglob("*.py"))]
    chosen = [path for path in modules if not parts or any(str(path).startswith(f"plugins/{part}") for part in parts)]
    sources = {path: (tree / path).read_bytes() for path in chosen}
    possible = [fault for path, source in sources.items() for fault in faults(path, source)]
    number, seed = int(os.environ.get("MUTANTS", "500")), os.environ.get("SEED", "1")
    planted = random.Random(seed).sample(possible, min(number, len(possible)))
    noticed: Counter[Path] = Counter()
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        runner = Runner(tree, Path(scratch))
        if runner.fails_without_fault(chosen):
            sys.exit("The unit tests fail without any fault. Correct that first.")
        for fault, is_noticed in zip(planted, pool.map(runner.is_noticed, planted)):
            noticed[fault.path.parent] += is_noticed
            if not is_noticed:
                print(f"not noticed: {fault.describe(sources[fault.path])}", flush=True)
    of_package = Counter(fault.path.parent for fault in planted)
    for package, count in sorted(of_package.items()):
        print(f"{package}: {noticed[package]} of {count} noticed")
    print(f"{noticed.total()} of {len(planted)} noticed, of {len(possible)} possible; SEED={seed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
