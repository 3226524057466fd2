# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of trust_anchors."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.plugin_utils._trust import trust_anchors


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "give one of src, content and url"),
        ({"src": "a", "url": "https://b"}, "give one of src, content and url"),
        ({"url": "https://b"}, "a url needs a checksum"),
        ({"src": "a", "signature": "b"}, "signature and keyring belong together"),
        ({"src": "a", "sha256": "b"}, "sha256"),
        ({"src": "a", "crl_urls": ["http://a b"]}, "crl_urls"),
        ({"src": "a", "crl_urls": ["file:///etc/passwd"]}, "crl_urls"),
        (7, "must be a string or a dictionary"),
    ],
)
def test_sources_that_say_too_little(source: Any, message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        trust_anchors.read_options({"sources": [source]})


@pytest.mark.parametrize(
    "paths",
    [
        {"path": "certificates"},
        {"bundle_path": "ca.pem"},
        {"path": "/store", "bundle_path": "/store/ca.pem"},
        {"path": "/store", "java_truststore_path": "/store/../store/"},
        {"bundle_path": "/etc/ca", "java_truststore_path": "/etc/ca"},
    ],
)
def test_places_that_would_be_in_each_others_way(paths: dict[str, str]) -> None:
    with pytest.raises(AnsibleActionFail, match=r"absolute path|Set another path"):
        trust_anchors.read_options({"sources": ["ca.pem"], **paths})
