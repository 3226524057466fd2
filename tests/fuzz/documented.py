# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors a function may end in, by what its docstring says: so that the text and the code cannot part."""

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
_ROOT = Path(__file__).parents[2]
_PLACES = [
    ".".join(path.relative_to(_ROOT).parts) for path in sorted(_ROOT.glob("plugins/*_utils/_*")) if path.is_dir()
]
_COLLECTION = "ansible_collections.grid.security"


def kinds(*functions: Any) -> frozenset[str]:
    """The kinds of :exc:`GridSecurityError` that the functions document, those of what they refer to included."""
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
    """What a docstring of ``module`` refers to: a name in it, or ``module.name`` of the collection."""
    if hasattr(module, reference):
        return getattr(module, reference)
    head, _dot, rest = reference.partition(".")
    for place in _PLACES:
        try:
            other = importlib.import_module(f"{_COLLECTION}.{place}.{head}")
        except ImportError:
            continue
        return getattr(other, rest) if rest else other
    raise LookupError(f"{module.__name__} refers to {reference}, which does not exist")
