# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing policies, in the forms that IGTF's files have."""

from __future__ import annotations

import time

import pytest

from ansible_collections.grid.security.plugins.module_utils import signing_policy

DN = "/DC=org/DC=example/CN=Example CA"


def test_what_is_composed_is_parsed() -> None:
    patterns = ["/DC=org/DC=example/*", "/O=Example/*"]
    assert signing_policy.parse(signing_policy.compose(DN, patterns)) == {DN: patterns}


def test_comments_tabs_and_several_authorities() -> None:
    text = (
        "# of two\n access_id_CA\tX509   '/CN=A'\n\tpos_rights\tglobus CA:sign\n cond_subjects globus  '\"/O=A/*\"'\n\n"
        "access_id_CA X509 '/CN=B'\npos_rights globus CA:sign\ncond_subjects globus '\"/O=B/*\" \"/O=C/*\"'"
    )
    assert signing_policy.parse(text) == {"/CN=A": ["/O=A/*"], "/CN=B": ["/O=B/*", "/O=C/*"]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends before access_id_CA"),
        ("access_id_CA X509 '/CN=A'\n", "ends before pos_rights"),
        ("pos_rights globus CA:sign\n", "line 1 should be access_id_CA"),
        ("access_id_CA X509 '/CN=A'\npos_rights globus CA:all\n", "grants 'CA:all'"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(signing_policy.PolicyError, match=message):
        signing_policy.parse(text)


@pytest.mark.parametrize("pattern", ["DC=org/*", '/O="quoted"', "/O=two\nlines", "/O=it's"])
def test_what_the_format_cannot_say_is_refused(pattern: str) -> None:
    with pytest.raises(signing_policy.PolicyError):
        signing_policy.compose(DN, [pattern])


@pytest.mark.parametrize("line", ["access_id_CA X509 x" + " " * 500_000 + "y", " " * 500_000 + "x", "x" * 500_000])
def test_time_grows_with_the_size_only(line: str) -> None:
    start = time.process_time()
    with pytest.raises(signing_policy.PolicyError):
        signing_policy.parse(f"{line}\n")
    assert time.process_time() - start < 1
