# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the options for sources of trust anchors.

:mod:`anchor_sources` reads the sources themselves. Most runs do not need it.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import validated

__all__ = ["SOURCE", "SOURCES", "read_source", "read_sources"]

_CRL_URL = re.compile(r"https?://[!-~]+")
SOURCE: dict[str, dict[str, Any]] = {
    "src": {"type": "str"},
    "content": {"type": "str"},
    "url": {"type": "str"},
    "checksum": {"type": "str"},
    "signature": {"type": "str"},
    "keyring": {"type": "str"},
    "name": {"type": "str"},
    "subjects": {"type": "list", "elements": "str", "default": []},
    "crl_urls": {"type": "list", "elements": "str", "default": []},
    "prefer": {"type": "bool", "default": False},
}
# The options that all tasks with trust anchors have.
SOURCES: dict[str, dict[str, Any]] = {
    "sources": {"type": "list", "elements": "raw", "required": True},
    "path": {"type": "str", "default": "/etc/grid-security/certificates"},
    "profiles": {"type": "list", "elements": "str", "default": []},
    "include": {"type": "list", "elements": "str", "default": []},
    "exclude_expired": {"type": "bool", "default": False},
    "on_unreadable": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
}


def read_sources(given: list[Any]) -> list[dict[str, Any]]:
    """Return the items of the option ``sources`` as complete dictionaries.

    :raises AnsibleActionFail: an option is unknown, of the wrong type, missing, or does not fit another.
    """
    return [read_source(item, f"sources[{number}]: ") for number, item in enumerate(given)]


def read_source(given: Any, where: str) -> dict[str, Any]:
    """Return one source as a complete dictionary. :param where: the start of messages.

    :raises AnsibleActionFail: as :func:`read_sources`.
    """
    if isinstance(given, str):
        given = {"content": given} if "-----BEGIN" in given else {"src": given}
    if not isinstance(given, dict):
        raise AnsibleActionFail(f"{where}it must be a string or a dictionary.")
    source = validated(SOURCE, given, where)
    if sum(bool(source[name]) for name in ("src", "content", "url")) != 1:
        raise AnsibleActionFail(f"{where}give one of src, content and url.")
    if source["url"] and not source["checksum"]:
        raise AnsibleActionFail(f"{where}a url needs a checksum: write sha256: or sha512: and the digits.")
    if bool(source["signature"]) != bool(source["keyring"]):
        raise AnsibleActionFail(f"{where}signature and keyring belong together.")
    for url in source["crl_urls"]:
        if not _CRL_URL.fullmatch(url):
            raise AnsibleActionFail(f"{where}crl_urls: {url!r} is no http or https URL.")
    return source
