# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of one source of trust anchors.

Apart from :mod:`anchor_sources`, which reads sources, because most runs read none.
"""

from __future__ import annotations

import re
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import validated

__all__ = ["SOURCE", "read_source"]

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


def read_source(given: Any, where: str) -> dict[str, Any]:
    """One item of ``sources`` as a complete dictionary. :param where: what messages start with."""
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
