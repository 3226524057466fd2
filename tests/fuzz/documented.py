# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the possible errors of a function from its docstring, so that tests notice a difference to the code."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["kinds"]

_RAISES = re.compile(r":raises GridSecurityError:(.*?)(?=:raises |:param |:returns:|\Z)", re.DOTALL)
_KIND = re.compile(r"``(\w+)``")
_REFERENCE = re.compile(r":(?:func|mod):`([\w.]+)`")
_PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
_PACKAGE = "ansible_collections.grid.security.plugins"


def kinds(*functions: Any) -> frozenset[str]:
    """Return the error codes that the functions document, including those of the functions that they refer to."""
    return frozenset(kind for function in functions for kind in _kinds(function))


def _kinds(thing: Any) -> set[str]:
    if isinstance(thing, ModuleType):
        return {kind for name in thing.__all__ if callable(getattr(thing, name)) for kind in _kinds(_of(thing, name))}
    found: set[str] = set()
    for text in _RAISES.findall(inspect.getdoc(thing) or ""):
        found.update(_KIND.findall(text))
        for reference in _REFERENCE.findall(text):
            found |= _kinds(_resolve(reference, sys.modules[thing.__module__]))
    return found


def _of(module: ModuleType, name: str) -> Any:
    return getattr(module, name)


def _resolve(reference: str, module: ModuleType) -> Any:
    """Return the object that a docstring refers to: a name in ``module``, or ``module.name`` of the collection."""
    if hasattr(module, reference):
        return getattr(module, reference)
    head, _dot, rest = reference.partition(".")
    found = sorted(_PLUGINS.glob(f"*_utils/_*/{head}.py"), key=lambda path: path.parent.name not in module.__name__)
    if not found:
        raise LookupError(f"{module.__name__} refers to {reference}, which does not exist")
    other = importlib.import_module(".".join([_PACKAGE, *found[0].relative_to(_PLUGINS).with_suffix("").parts]))
    return getattr(other, rest) if rest else other
