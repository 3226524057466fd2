# SPDX-License-Identifier: GPL-3.0-or-later
"""The CAs and CRLs of sources, as chains are checked by them."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import ca_material, source_files
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.tests.support import pki
from ansible_collections.grid.security.tests.support.ca_sources import FILTERS, MIDDLE, ROOT


def test_a_large_file_without_crls_costs_only_itself() -> None:
    files = {"root.pem": ROOT.pem, "huge.pem": bytes(source_files.LARGEST + 1)}
    found = ca_material.from_groups([Group("/release", "", files)], FILTERS)
    assert [one["alias"] for one in found["cas"]] == ["root"]


def test_a_crl_that_is_cut_off_does_not_pass_for_none() -> None:
    files = {"crls.pem": b"-----BEGIN X509 CRL-----\n" + b"A" * source_files.LARGEST}
    with pytest.raises(GridSecurityError, match="/release/crls.pem holds CRLs and is larger than 1 MiB"):
        ca_material.from_groups([Group("/release", "", files)], FILTERS)


def crls(*groups: Group) -> list[tuple[str, bool, str]]:
    """Name, whether it is good, and issuer."""
    found = ca_material.from_groups(list(groups), FILTERS)["crls"]
    return [(one["name"], not one["problem"] and bool(one["der"]), one["issuer"]) for one in found]


GOOD = pki.revoke(ROOT, [7])
SUBJECT, OTHER = (one.facts.canonical_subject.hex() for one in (ROOT, MIDDLE))


@pytest.mark.parametrize(("size", "is_read"), [(source_files.LARGEST, True), (source_files.LARGEST + 1, False)])
def test_the_size_of_a_file_with_crls_is_limited_to_the_byte(size: int, is_read: bool) -> None:
    group = Group("/release", "", {"a.pem": ROOT.pem + GOOD + b"#" * (size - len(ROOT.pem + GOOD))})
    if is_read:
        assert crls(group) == [("a.pem", True, SUBJECT)]
    else:
        with pytest.raises(GridSecurityError) as caught:
            crls(group)
        assert caught.value.error_code == "too_large"


def test_a_crl_under_several_names_is_one() -> None:
    names = {"root.crl": GOOD, f"{ROOT.facts.hashes[0]}.r0": GOOD, "other.crl": pki.revoke(MIDDLE, [])}
    assert crls(Group("/release", "", {"root.pem": ROOT.pem}, crls=names)) == [
        ("root.crl", True, SUBJECT),
        ("other.crl", True, OTHER),
    ]


@pytest.mark.parametrize("stem", ["root", *ROOT.facts.hashes])
def test_a_damaged_crl_is_that_of_the_ca_that_it_is_called_by(stem: str) -> None:
    group = Group("/release", "", {"root.pem": ROOT.pem, "middle.pem": MIDDLE.pem}, crls={f"{stem}.r0": b"damaged"})
    assert crls(group) == [(f"{stem}.r0", False, SUBJECT)]
    group.crls = {"stranger.r0": b"damaged"}
    assert crls(group) == []


def test_what_cannot_be_used_is_left_out_by_filters_and_without_a_name() -> None:
    user = pki.issue("User", issuer=ROOT)
    groups = [Group("/release", "", {"root.pem": ROOT.pem, "user.pem": user.pem, "page.pem": b"<html>"})]
    problems = {one["alias"]: bool(one["problem"]) for one in ca_material.from_groups(groups, FILTERS)["cas"]}
    assert problems == {"root": False, "user": True}
    found = ca_material.from_groups(groups, {**FILTERS, "exclude": ["user"]})["cas"]
    assert [one["alias"] for one in found] == ["root"]
    assert (found[0]["pem"].encode(), found[0]["patterns"], found[0]["dn"]) == (
        ROOT.pem,
        None,
        "/DC=org/DC=example/CN=Root",
    )
