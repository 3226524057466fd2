# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trust anchors on the controller: options, rendering through the memo, and the task's result."""

from __future__ import annotations

import base64
import json
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.grid.security.plugins.module_utils import manifest
from ansible_collections.grid.security.plugins.plugin_utils import anchor_sources, anchors, memo, trust_store, verified

__all__ = ["compare_set", "describe", "read_options", "render", "update_set"]

OPTIONS: dict[str, dict[str, Any]] = {
    "sources": {"type": "list", "elements": "raw", "required": True},
    "path": {"type": "str", "default": "/etc/grid-security/certificates"},
    "profiles": {"type": "list", "elements": "str", "default": []},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "exclude_expired": {"type": "bool", "default": False},
    "purge": {"type": "bool", "default": True},
    "allow_shrink": {"type": "bool", "default": False},
}
SOURCE: dict[str, dict[str, Any]] = {
    "src": {"type": "str"},
    "content": {"type": "str"},
    "url": {"type": "str"},
    "checksum": {"type": "str"},
    "signature": {"type": "str"},
    "keyring": {"type": "str"},
    "name": {"type": "str"},
    "subjects": {"type": "list", "elements": "str", "default": []},
}


def read_options(arguments: dict[str, Any]) -> dict[str, Any]:
    """The complete options, each source as a dictionary.

    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    """
    options = _validated(OPTIONS, arguments, "")
    sources = [_as_dictionary(one) for one in options["sources"]]
    options["sources"] = [_validated(SOURCE, one, f"sources[{number}]: ") for number, one in enumerate(sources)]
    for number, source in enumerate(options["sources"]):
        _check_source(f"sources[{number}]: ", source)
    return options


def _check_source(where: str, source: dict[str, Any]) -> None:
    if sum(bool(source[name]) for name in ("src", "content", "url")) != 1:
        raise AnsibleActionFail(f"{where}give one of src, content and url.")
    if source["url"] and not source["checksum"]:
        raise AnsibleActionFail(f"{where}a url needs a checksum: write sha256: or sha512: and the digits.")
    if bool(source["signature"]) != bool(source["keyring"]):
        raise AnsibleActionFail(f"{where}signature and keyring belong together.")


def _as_dictionary(source: Any) -> Any:
    if not isinstance(source, str):
        return source
    return {"content": source} if "-----BEGIN" in source else {"src": source}


def _validated(specification: dict[str, Any], arguments: Any, where: str) -> dict[str, Any]:
    if not isinstance(arguments, dict):
        raise AnsibleActionFail(f"{where}it must be a string or a dictionary.")
    result = ArgumentSpecValidator(specification).validate(arguments)
    if result.error_messages:
        raise AnsibleActionFail(where + "; ".join(result.error_messages))
    validated: dict[str, Any] = result.validated_parameters
    return validated


def render(action: ActionBase, options: dict[str, Any]) -> dict[str, Any]:
    """``wanted`` (see :func:`trust_store.layout`) and ``warnings``: computed once per run.

    :raises GridSecurityError: whatever is wrong with the sources.
    """
    groups = []
    for source in options["sources"]:
        groups += anchor_sources.read(source, lambda src: str(action._find_needle("files", src)), _fetch_once)
    parts = [json.dumps(options).encode()]
    for group in groups:
        parts += [group.where.encode(), *(part for name in group.files for part in (name.encode(), group.files[name]))]
    return memo.memoize(parts, lambda: _render(groups, options))


def _fetch_once(url: str) -> bytes:
    parts = [b"url", url.encode()]
    return base64.b64decode(
        memo.memoize(parts, lambda: {"data": base64.b64encode(verified.fetch(url)).decode()})["data"]
    )


def _render(groups: list[anchor_sources.Group], options: dict[str, Any]) -> dict[str, Any]:
    chosen = anchors.select(anchors.collect(groups), options)
    anchors.check(chosen)
    return {"wanted": trust_store.layout(chosen), "warnings": anchors.warnings(chosen)}


def compare_set(options: dict[str, Any], wanted: trust_store.Facts) -> dict[str, Any]:
    """The file set that compares the whole directory by one digest."""
    expected = {"patterns": trust_store.PATTERNS, "sha256": manifest.digest(wanted)}
    return {"name": "trust anchors", "directory": options["path"], "entries": [], "manifest": expected}


def update_set(options: dict[str, Any], entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The file set that changes what differs; the directory and the one above are created if they are missing."""
    made = [{"path": path, "state": "directory", "initial_mode": "0755"} for path in ("..", ".")]
    return {"name": "trust anchors", "directory": options["path"], "entries": made + entries}


def describe(wanted: trust_store.Facts, found: trust_store.Facts) -> dict[str, Any]:
    """What is added, removed and replaced, by alias and fingerprint."""
    before, after = _certificates(found), _certificates(wanted)
    return {
        "added": [_named(alias, after) for alias in sorted(set(after) - set(before))],
        "removed": [_named(alias, before) for alias in sorted(set(before) - set(after))],
        "replaced": [_named(one, after) for one in sorted(set(after) & set(before)) if after[one] != before[one]],
    }


def _certificates(facts: trust_store.Facts) -> dict[str, Any]:
    return {name[: -len(".pem")]: one.get("certificate") for name, one in facts.items() if name.endswith(".pem")}


def _named(alias: str, fingerprints: dict[str, Any]) -> dict[str, Any]:
    return {"alias": alias, "sha256_fingerprint": fingerprints[alias]}
