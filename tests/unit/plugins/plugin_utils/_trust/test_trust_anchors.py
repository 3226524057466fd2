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
    with pytest.raises(AnsibleActionFail, match=r"absolute path|Name another place"):
        trust_anchors.read_options({"sources": ["ca.pem"], **paths})


def test_texts_are_sources_too() -> None:
    read = trust_anchors.read_source("-----BEGIN CERTIFICATE-----", "")
    assert (read["content"], read["src"]) == ("-----BEGIN CERTIFICATE-----", None)
    read = trust_anchors.read_source("/etc/ca.pem", "")
    assert (read["content"], read["src"]) == (None, "/etc/ca.pem")
    assert (read["prefer"], read["subjects"], read["crl_urls"]) == (False, [], [])


@pytest.mark.parametrize(
    "source",
    [
        {"src": "a", "signature": "b", "keyring": "c"},
        {"src": "a", "checksum": "sha256:00"},
        {"url": "https://b", "checksum": "sha256:00"},
        {"content": "a", "crl_urls": ["http://a/b.crl", "https://a/b.crl"]},
    ],
)
def test_sources_that_say_enough(source: dict[str, Any]) -> None:
    read = trust_anchors.read_source(source, "")
    assert {name: read[name] for name in source} == source


@pytest.mark.parametrize(
    "source",
    [
        {"src": "a", "content": "b"},
        {"content": "a", "url": "https://b", "checksum": "sha256:00"},
        {"src": "a", "keyring": "b"},
        {"src": "a", "crl_urls": ["ftp://a"]},
        {"src": "a", "crl_urls": ["http://"]},
        {"src": "a", "crl_urls": ["http://a/b", "http://a\n"]},
        ["src"],
        None,
    ],
)
def test_sources_that_contradict_themselves(source: Any) -> None:
    with pytest.raises(AnsibleActionFail, match=r"^sources\[0\]: |it must be"):
        trust_anchors.read_source(source, "sources[0]: ")


def test_defaults_of_the_options() -> None:
    options = trust_anchors.read_options({"sources": ["ca.pem"]})
    named = ("exclude_expired", "purge", "allow_shrink", "system_store", "on_unreadable")
    assert {name: options[name] for name in named} == {
        "exclude_expired": False,
        "purge": True,
        "allow_shrink": False,
        "system_store": False,
        "on_unreadable": "fail",
    }
    with pytest.raises(AnsibleActionFail, match="sources"):
        trust_anchors.read_options({})


@pytest.mark.parametrize(
    "paths",
    [
        {"path": "/store", "bundle_path": "/store/in/ca.pem"},
        {"path": "/store", "bundle_path": "/ca.pem", "java_truststore_path": "/ca.p12"},
        {"path": "/store/"},
    ],
)
def test_places_apart_from_each_other(paths: dict[str, str]) -> None:
    assert trust_anchors.read_options({"sources": ["ca.pem"], **paths})["path"] == paths["path"]
