# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports between the packages of the collection go one way: action → plugin_utils → module_utils."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ansible_collections.grid.security.plugins.module_utils._common.errors as anchor

PLUGINS = Path(anchor.__file__).parents[2]
PREFIX = "ansible_collections.grid.security.plugins."

# What each package may import, apart from itself. A package of module_utils may be imported by modules, by actions and
# by all packages of plugin_utils.
MODULE_UTILS: dict[str, set[str]] = {
    "_common": set(),
    "_x509": {"_common"},
    "_files": {"_common"},
    "_credential": {"_common", "_files", "_x509"},
    "_trust": {"_common", "_files", "_x509"},
}
# A package of plugin_utils may import all of module_utils, `_action`, and the packages that stand here.
PLUGIN_UTILS: dict[str, set[str]] = {
    "_action": set(),
    "_trust": set(),
    "_credential": {"_trust"},  # CAs and CRLs for the checks of chains
    "_crl": {"_trust"},  # sources of CAs have CRLs; see HEADS
    "_mapfile": {"_credential", "_trust"},  # maps the subjects of credentials that CAs of the trust directory issued
    "_voms": set(),
    "_node": {"_credential", "_crl", "_mapfile", "_trust", "_voms"},  # runs all parts
}
# The modules that do the work of an action. Only the action and `_node` import them. What two actions share is in
# another module of the package.
HEADS = {
    "_credential.credentials",
    "_crl.crls",
    "_mapfile.grid_mapfile",
    "_node.node",
    "_trust.trust_anchors",
    "_voms.voms",
}


def test_imports_follow_the_arrows() -> None:
    wrong = {(importer, imported) for importer, imported in _imports() if not _is_allowed(importer, imported)}
    assert sorted(wrong) == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("action.crls", "plugin_utils._crl.crls", True),
        ("action.crls", "module_utils._files.exchange", True),
        ("action.crls", "action.node", False),
        ("modules.crls", "plugin_utils._crl.crls", False),
        ("plugin_utils._crl.crls", "action.crls", False),
        ("plugin_utils._crl.crls", "plugin_utils._trust.anchors", True),
        ("plugin_utils._crl.crls", "plugin_utils._trust.trust_anchors", False),
        ("plugin_utils._action.run_cache", "plugin_utils._trust.anchors", False),
        ("plugin_utils._node.node", "plugin_utils._trust.trust_anchors", True),
        ("module_utils._files.engine", "module_utils._x509.pem", False),
        ("module_utils._files.engine", "module_utils._common.errors", True),
        ("module_utils._x509.pem", "module_utils._files.engine", False),
        ("module_utils._common.errors", "plugin_utils._action.run_cache", False),
    ],
)
def test_rules(importer: str, imported: str, allowed: bool) -> None:
    assert _is_allowed(importer, imported) is allowed


def test_every_package_has_a_rule() -> None:
    for layer, rules in (("module_utils", MODULE_UTILS), ("plugin_utils", PLUGIN_UTILS)):
        assert {path.parent.name for path in (PLUGINS / layer).glob("*/*.py")} == set(rules)


def _imports() -> Iterator[tuple[str, str]]:
    """Yield each import of a module of the collection: the names of the importer and of the imported module."""
    names = {".".join(path.relative_to(PLUGINS).with_suffix("").parts): path for path in PLUGINS.rglob("*.py")}
    for importer, path in names.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield from ((importer, imported) for imported in _imported(node, set(names)))


def _imported(node: ast.AST, names: set[str]) -> Iterator[str]:
    """Yield the modules that a statement imports, late imports and imports for types included."""
    if isinstance(node, ast.Import):
        candidates = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports are not used"
        candidates = [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
    else:
        return
    for candidate in candidates:
        if candidate.startswith(PREFIX) and candidate[len(PREFIX) :] in names:
            yield candidate[len(PREFIX) :]


def _is_allowed(importer: str, imported: str) -> bool:
    (layer, *inside), (other_layer, *target) = importer.split("."), imported.split(".")
    if layer == "modules":
        return other_layer == "module_utils"
    if layer == "action":
        return other_layer in ("plugin_utils", "module_utils")
    if layer == "module_utils":
        return other_layer == "module_utils" and target[0] in {inside[0], *MODULE_UTILS[inside[0]]}
    if layer == "plugin_utils":
        return other_layer == "module_utils" or (other_layer == "plugin_utils" and _is_allowed_inside(inside, target))
    return False


def _is_allowed_inside(inside: list[str], target: list[str]) -> bool:
    """Tell whether one module of plugin_utils may import another."""
    package, other = inside[0], target[0]
    if other in (package, "_action"):
        return True
    return other in PLUGIN_UTILS[package] and (package == "_node" or ".".join(target) not in HEADS)
