# SPDX-License-Identifier: GPL-3.0-or-later
"""The same CA in several sources, with other files beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import signing_policy
from ansible_collections.grid.security.plugins.plugin_utils._trust import (
    anchor_reading,
    anchor_selection,
    anchor_sources,
    verified,
)
from ansible_collections.grid.security.tests.support import ca_sources
from ansible_collections.grid.security.tests.support.ca_sources import (
    FILTERS,
    MIDDLE,
    OLD,
    ROOT,
    SOURCE,
    aliases,
    merged,
    read,
)


@pytest.fixture(name="release")
def _release(tmp_path: Path) -> Path:
    return ca_sources.write_release(tmp_path)


def test_bundle_and_merge(release: Path) -> None:
    assert aliases(read(ROOT.pem + MIDDLE.pem)) == ["Middle", "Root"]
    sources = [{"src": str(release)}, {"content": ROOT.pem.decode()}]
    groups = [group for one in sources for group in anchor_sources.read({**SOURCE, **one}, str, verified.fetch)]
    assert aliases(anchor_reading.collect(groups).anchors) == ["middle", "old", "root"]


def two_policies(directory: Path, one: str, other: str, ending: str = "signing_policy") -> list[dict[str, str]]:
    """Two sources with the same CA, and a file beside it that differs."""
    for name, text in (("igtf", one), ("site", other)):
        (directory / name).mkdir()
        (directory / name / "root.pem").write_bytes(ROOT.pem)
        (directory / name / f"root.{ending}").write_text(text)
    return [{"src": str(directory / "igtf")}, {"src": str(directory / "site")}]


ROOT_DN = "/DC=org/DC=example/CN=Root"
NARROW, WIDE = (signing_policy.compose(ROOT_DN, [pattern]) for pattern in ("/DC=org/DC=example/*", "/*"))


def test_two_policies_of_one_authority_are_refused_unless_one_is_preferred(tmp_path: Path) -> None:
    first, second = two_policies(tmp_path, NARROW, WIDE)
    with pytest.raises(GridSecurityError) as caught:
        anchor_selection.check(merged([first, second]))
    assert caught.value.error_code == "two_policies"
    for part in (
        f"root: {first['src']}/root.pem and {second['src']}/root.pem have different signing policies. Set prefer: true",
        "remove one of them.",
    ):
        assert part in caught.value.message
    for preferred, expected in ((0, NARROW), (1, WIDE)):
        sources = [{**one, "prefer": number == preferred} for number, one in enumerate([first, second])]
        (found,) = merged(sources)
        anchor_selection.check([found])
        assert found.files["signing_policy"].decode() == expected
    with pytest.raises(GridSecurityError, match="different signing policies"):
        anchor_selection.check(merged([{**first, "prefer": True}, {**second, "prefer": True}]))


def test_two_policies_of_an_excluded_authority_do_not_matter(tmp_path: Path) -> None:
    found = merged([*two_policies(tmp_path, NARROW, WIDE), {"content": OLD.pem.decode()}])
    chosen = anchor_selection.select(found, {**FILTERS, "exclude": ["root"]})
    anchor_selection.check(chosen)
    assert aliases(chosen) == ["Old"]


def test_policies_that_mean_the_same_are_one(tmp_path: Path) -> None:
    patterns = ["/DC=org/*", "/O=Grid/*"]
    one = signing_policy.compose(ROOT_DN, patterns)
    other = signing_policy.compose(ROOT_DN, patterns[::-1]).lower().replace("ca:sign", "CA:sign")
    other = "# another comment\n" + other.replace("access_id_ca x509", "access_id_CA   X509")
    anchor_selection.check(found := merged(two_policies(tmp_path, one, other)))
    assert found[0].files["signing_policy"].decode() == one


@pytest.mark.parametrize(
    ("other", "same"),
    [('# b\nTO  Issuer "/CN=A" \\\n PERMIT Subject "/O=.*"\n', True), ('TO Issuer "/CN=A" PERMIT Subject ".*"', False)],
)
def test_namespaces_decide_too(tmp_path: Path, other: str, same: bool) -> None:
    one = '# a\nTO Issuer "/CN=A" PERMIT Subject "/O=.*"\n'
    found = merged(two_policies(tmp_path, one, other, "namespaces"))
    assert (found[0].conflicts == []) is same


def test_the_release_counts_in_a_directory_that_has_a_ca_twice(tmp_path: Path) -> None:
    """IGTF's own tree has such directories: the other copy is what the CA sent."""
    for name, text in (("another", WIDE), ("root", NARROW)):
        (tmp_path / f"{name}.pem").write_bytes(ROOT.pem)
        (tmp_path / f"{name}.signing_policy").write_text(text)
    (found,) = merged([{"src": str(tmp_path)}])
    assert found.conflicts
    (tmp_path / "root.info").write_text("alias = the-root\n")
    (found,) = merged([{"src": str(tmp_path)}])
    assert (found.conflicts, found.alias) == ([], "the-root")
    assert found.files["signing_policy"].decode() == NARROW


def test_other_companions_are_merged(tmp_path: Path) -> None:
    (found,) = merged(two_policies(tmp_path, "http://a.example.org\n", "http://b.example.org\n", "crl_url"))
    anchor_selection.check([found])
    assert found.files["crl_url"] == b"http://a.example.org\n"


def test_two_policies_cost_only_their_authority_if_asked_for(tmp_path: Path) -> None:
    found = merged([*two_policies(tmp_path, NARROW, WIDE), {"content": (OLD.pem + MIDDLE.pem).decode()}])
    chosen, (conflict, incomplete) = anchor_selection._keep_complete(found, [])
    assert aliases(chosen) == ["Old"]
    assert conflict.startswith(f"trust anchors, left out (on_unreadable: skip): root: {tmp_path}/igtf/root.pem and ")
    assert incomplete.endswith("incomplete chains: Middle needs /DC=org/DC=example/CN=Root")


def test_several_authorities_with_two_policies_have_a_line_each(tmp_path: Path) -> None:
    sources = two_policies(tmp_path, NARROW, WIDE)
    for name, patterns in (("igtf", "/DC=org/*"), ("site", "/*")):
        (tmp_path / name / "old.pem").write_bytes(OLD.pem)
        (tmp_path / name / "old.signing_policy").write_text(signing_policy.compose(OLD.facts.subject_dn, [patterns]))
        (tmp_path / name / "root.namespaces").write_text(patterns)
    with pytest.raises(GridSecurityError) as caught:
        anchor_selection.check(merged(sources))
    title, *lines, _remedy = caught.value.message.splitlines()
    assert title == "these CAs have several versions of a file:"
    assert [line.rpartition(" have ")[2] for line in lines] == [
        "different signing policies",
        "different signing policies and namespaces",
    ]
