# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the options of a credential."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.options import OPTIONS, CredentialOptions
from ansible_collections.grid.security.tests.support import conversions


def test_each_option_is_a_field() -> None:
    fields = {field.name for field in dataclasses.fields(CredentialOptions) if field.init}
    assert fields == {*OPTIONS, "error"}


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"src": "/archives/alice.p12"}, "alice.p12"),
        ({"src": "alice.p12", "owner": "alice"}, "alice.p12 for alice"),
        ({"content": "x", "owner": "alice"}, "content for alice"),
        ({"src": "alice.p12", "owner": "alice", "state": "absent"}, "credential for alice"),
    ],
)
def test_label(changes: dict[str, Any], label: str) -> None:
    assert conversions.options(**changes).label == label


def test_equal_options_are_two_keys() -> None:
    first, second = (conversions.options(owner="alice") for _number in range(2))
    assert len({first: 1, second: 2}) == 2


def test_secrets_are_in_no_representation() -> None:
    options = conversions.options(src="alice.p12", passphrase="a secret word", content="an archive")
    source = conversions.source(b"an archive", options.values(), "alice.p12", b"a private key")
    for text in (repr(options), repr(source)):
        assert "a secret word" not in text
        assert "an archive" not in text
        assert "a private key" not in text


def test_unusable_options_have_the_owner_and_the_error_only() -> None:
    error = GridSecurityError("bad_options", "wrong")
    options = CredentialOptions.unusable("alice", error)
    assert (options.owner, options.error, options.src, options.state) == ("alice", error, None, "present")
    assert options.place == "~alice/.globus"
