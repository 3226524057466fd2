# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of credentials, and conversions without a node."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import convert as conversion
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source
from ansible_collections.grid.security.plugins.module_utils._credential.options import OPTIONS, CredentialOptions
from ansible_collections.grid.security.tests.support import sandboxed

__all__ = ["DEFAULTS", "convert", "options", "source"]

DEFAULTS: dict[str, Any] = {name: option.get("default") for name, option in OPTIONS.items()}


def options(**changes: Any) -> CredentialOptions:
    """Return complete options."""
    return CredentialOptions.of({**DEFAULTS, **changes})


def source(data: bytes, values: dict[str, Any], name: str, privatekey: bytes | None = None) -> Source:
    """Return a source. :param values: of its options. :param name: of its file."""
    return Source(options(**{**values, "src": name}), data, privatekey)


def convert(data: bytes, values: dict[str, Any], name: str, privatekey: bytes | None = None) -> dict[str, Any]:
    """Return the conversion of a source as a dictionary. :raises GridSecurityError: it cannot be converted."""
    return sandboxed.run(conversion.job(source(data, values, name, privatekey)))
