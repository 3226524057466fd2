# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters, what they leave out, and chains: what is chosen and what is refused."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_selection, anchors, trust_store
from ansible_collections.grid.security.tests.support import ca_sources, pki
from ansible_collections.grid.security.tests.support.ca_sources import (
    FILTERS,
    MIDDLE,
    OLD,
    ROOT,
    aliases,
    collected,
    read,
    twins,
)


@pytest.fixture(name="release")
def _release(tmp_path: Path) -> Path:
    return ca_sources.write_release(tmp_path)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["middle", "old", "root"]),
        ({"profiles": ["classic"]}, ["old", "root"]),
        ({"profiles": ["mics"]}, ["middle", "root"]),
        ({"include": ["middle"]}, ["middle", "root"]),
        ({"include": ["/DC=org/*Old"]}, ["old"]),
        ({"include": [OLD.certificate.fingerprint(OLD.certificate.signature_hash_algorithm).hex(":")]}, ["old"]),  # type: ignore[arg-type]
        ({"exclude": ["o*"]}, ["middle", "root"]),
        ({"exclude_expired": True}, ["middle", "root"]),
    ],
)
def test_filters(release: Path, filters: dict[str, Any], expected: list[str]) -> None:
    chosen = anchor_selection.select(read(release), {**FILTERS, **filters})
    anchor_selection.check(chosen)
    assert aliases(chosen) == expected


def test_unknown_inclusion_is_refused(release: Path) -> None:
    with pytest.raises(GridSecurityError, match="no source has rooot"):
        anchor_selection.select(read(release), {**FILTERS, "include": ["rooot"]})


def test_missing_issuer_is_named() -> None:
    with pytest.raises(GridSecurityError, match="Middle needs /DC=org/DC=example/CN=Root") as caught:
        anchor_selection.check(read(MIDDLE.pem))
    assert caught.value.error_code == "missing_issuer"


def test_time_grows_with_the_number_of_authorities_only() -> None:
    """All certificates are one another's possible issuers: no pair of them may be looked at more than once."""
    one, two = pki.issue("One", authority=True, issuer=pki.issue("Two")), pki.issue("Two", issuer=pki.issue("One"))
    certificates = [one.facts, two.facts]
    many = [anchors.Anchor(f"ca{n}", certificates[n % 2], b"", {}, set(), "bundle") for n in range(8000)]
    for number, anchor in enumerate(many):
        anchor.fingerprint = str(number)
    start = time.process_time()
    chosen = anchor_selection.select(many, {**FILTERS, "include": ["ca1"]})
    anchor_selection.check(many)
    trust_store.layout(many)
    assert len(chosen) == 8000
    assert time.process_time() - start < 4


def test_filters_know_both_aliases() -> None:
    old, new = twins(2)
    found = read(old.pem + new.pem)
    assert anchor_selection.select(found, {**FILTERS, "exclude": ["Twin"]}) == []
    assert aliases(anchor_selection.select(found, {**FILTERS, "include": [found[1].alias]})) == [found[1].alias]


@pytest.fixture(name="bad")
def _bad(release: Path) -> Path:
    """Add unusable files to the release, one of each kind."""
    key = ROOT.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    base = release / "slcs"
    base.mkdir()
    (base / "page.pem").write_bytes(b"<html>Log in</html>")
    (base / "cut.pem").write_bytes(ROOT.pem[:-40])
    (base / "zero.pem").write_bytes(pem.encode("CERTIFICATE", ROOT.certificate.public_bytes(Encoding.DER)[:100]))
    (base / "user.pem").write_bytes(pki.issue("User", issuer=ROOT).pem)
    (base / "key.pem").write_bytes(pki.issue("Key", authority=True).pem + key)
    (base / "policy.pem").write_bytes(pki.issue("Policy", authority=True).pem)
    (base / "policy.signing_policy").write_text("rubbish")
    for alias in ("page", "cut", "zero", "user", "key", "policy"):
        info = f'alias = info-{alias}\nstatus = accredited:slcs\nsubjectdn = "/CN=info {alias}"\n'
        (base / f"{alias}.info").write_text(f"{info}sha1fp.0 = {hashlib.sha1(alias.encode()).hexdigest()}\n")
    return release


BAD = ["page", "cut", "zero", "user", "key", "policy"]


def test_all_that_cannot_be_used_is_named_at_once(bad: Path) -> None:
    with pytest.raises(GridSecurityError) as caught:
        anchor_selection.refuse(collected(bad).unusable, FILTERS)
    message = caught.value.message
    assert caught.value.error_code == "unusable_anchors"
    assert len(message.splitlines()) == len(BAD) + 2
    for alias in BAD:
        assert f"/slcs/{alias}.pem " in message or f"/slcs/{alias}.pem:" in message
    assert "page.pem is a web page. " in message
    assert message.endswith("in exclude, or set on_unreadable: skip.")


def test_one_that_cannot_be_used_is_told_with_the_remedy(release: Path) -> None:
    (release / "mics/page.pem").write_bytes(b"<html>Log in</html>")
    with pytest.raises(GridSecurityError, match=r"(?s)page\.pem is a web page.* name page in exclude, or set"):
        read(release)


def test_many_that_cannot_be_used_make_a_message_of_some_lines(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"page{number}.pem").write_bytes(b"<html>")
    with pytest.raises(GridSecurityError, match=r"\n- and 80 more\n") as caught:
        read(tmp_path)
    assert caught.value.error_code == "not_pem"


def test_skipped_with_a_warning_that_names_each(bad: Path) -> None:
    found = collected(bad)
    (warning,) = anchor_selection.refuse(found.unusable, {**FILTERS, "on_unreadable": "skip"})
    assert warning.startswith("trust anchors, left out because they cannot be used (on_unreadable: skip):")
    assert len(warning.splitlines()) == len(BAD) + 1
    assert aliases(found.anchors) == ["middle", "old", "root"]


@pytest.mark.parametrize(
    "filters",
    [
        {"profiles": ["classic"]},
        {"include": ["root"]},
        {"exclude": BAD},
        {"exclude": [f"info-{alias}" for alias in BAD]},
        {"exclude": ["info-*"]},
        {"exclude": ["/CN=info *", "/DC=org/*"]},
        {"exclude": [hashlib.sha1(alias.encode()).hexdigest() for alias in BAD]},
    ],
)
def test_what_a_filter_leaves_out_is_no_reason_to_fail(bad: Path, filters: dict[str, Any]) -> None:
    assert anchor_selection.refuse(collected(bad).unusable, {**FILTERS, **filters}) == []


def test_bytes_are_excluded_by_their_fingerprint(tmp_path: Path) -> None:
    data = ROOT.certificate.public_bytes(Encoding.DER)[:100]
    (tmp_path / "bundle.pem").write_bytes(ROOT.pem + pem.encode("CERTIFICATE", data))
    (tmp_path / "page.pem").write_bytes(b"<html>")
    found = collected(tmp_path)
    assert aliases(found.anchors) == ["Root"]
    digests = [hashlib.sha256(one).hexdigest() for one in (data, b"<html>")]
    assert anchor_selection.refuse(found.unusable, {**FILTERS, "exclude": digests}) == []


def test_expired_ones_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    gone = pki.issue("Gone", authority=True, start=-100, days=50)
    (tmp_path / "gone.pem").write_bytes(gone.pem)
    (tmp_path / "gone.signing_policy").write_text("rubbish")
    found = collected(tmp_path).unusable
    assert anchor_selection.refuse(found, {**FILTERS, "exclude_expired": True}) == []
    with pytest.raises(GridSecurityError, match="signing policy"):
        anchor_selection.refuse(found, FILTERS)


def test_skipped_ones_may_be_included(bad: Path) -> None:
    found = collected(bad)
    chosen = anchor_selection.select(found.anchors, {**FILTERS, "include": ["root", "page"]}, found.unusable)
    assert aliases(chosen) == ["root"]


def test_missing_issuer_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "root.signing_policy").write_text("rubbish")
    (tmp_path / "middle.pem").write_bytes(MIDDLE.pem)
    found = collected(tmp_path)
    with pytest.raises(GridSecurityError, match=r"middle needs /DC=.*CN=Root \(.*signing policy of root: .*\)\. Add"):
        anchor_selection.check(found.anchors, found.unusable)


def test_incomplete_chains_are_left_out_if_what_they_need_is() -> None:
    lower = pki.issue("Lower", authority=True, issuer=MIDDLE)
    chosen, (warning,) = anchor_selection._keep_complete(read(lower.pem + MIDDLE.pem + OLD.pem), [])
    assert aliases(chosen) == ["Old"]
    assert warning.splitlines() == [
        "trust anchors, left out because of incomplete chains:",
        "- Middle needs /DC=org/DC=example/CN=Root",
        "- Lower needs /DC=org/DC=example/CN=Middle",
    ]
    assert anchor_selection._keep_complete(chosen, []) == (chosen, [])


def test_names_may_hold_brackets() -> None:
    (found,) = read(pki.issue("CA [one]", authority=True).pem)
    assert anchor_selection.select([found], {**FILTERS, "exclude": [found.subject_dn]}) == []


def test_a_certificate_that_cannot_be_used_twice_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "page.pem").write_bytes(b"<html>")
    found = collected(tmp_path).unusable
    with pytest.raises(GridSecurityError) as caught:
        anchor_selection.refuse(found * 2, FILTERS)
    assert len(caught.value.message.splitlines()) == 2
    assert caught.value.error_code == "not_pem"


def test_conflicts_are_left_out_only_if_that_is_asked_for() -> None:
    found = read(ROOT.pem + OLD.pem)
    found[0].conflicts.append("two policies")
    with pytest.raises(GridSecurityError) as caught:
        anchor_selection.check(found)
    assert caught.value.error_code == "two_policies"
    chosen, (warning,) = anchor_selection._keep_complete(found, [])
    assert chosen == found[1:]
    assert "two policies" in warning


def test_nothing_is_warned_of_if_all_is_whole(release: Path) -> None:
    found = collected(release)
    for choice in ("fail", "skip"):
        chosen, warnings = anchor_selection.choose(found, {**FILTERS, "on_unreadable": choice})
        assert (aliases(chosen), warnings) == (["middle", "old", "root"], [])


@pytest.mark.parametrize("option", [{"exclude": ["root"]}, {"exclude": ["/DC=org/*Root"]}])
def test_an_excluded_issuer_is_not_brought_back(release: Path, option: dict[str, Any]) -> None:
    chosen = anchor_selection.select(read(release), {**FILTERS, "include": ["middle"], **option})
    assert aliases(chosen) == ["middle"]
    with pytest.raises(GridSecurityError) as caught:
        anchor_selection.check(chosen)
    assert caught.value.error_code == "missing_issuer"


@pytest.mark.parametrize(("hours", "expected"), [(-1, []), (1, ["ca"])])
def test_expired_is_what_has_ended(hours: int, expected: list[str]) -> None:
    end = times.now() + datetime.timedelta(hours=hours)
    found = anchors.Anchor("ca", dataclasses.replace(ROOT.facts, not_after=end), ROOT.pem, {}, set(), "x")
    assert aliases(anchor_selection.select([found], {**FILTERS, "exclude_expired": True})) == expected
    assert aliases(anchor_selection.select([found], FILTERS)) == ["ca"]


def test_two_that_cannot_be_used_are_both_told(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.pem").write_bytes(b"<html>")
    with pytest.raises(GridSecurityError, match=r"(?s)one\.pem is a web page.*two\.pem is a web page") as caught:
        anchor_selection.refuse(collected(tmp_path).unusable, FILTERS)
    assert caught.value.error_code == "not_pem"
