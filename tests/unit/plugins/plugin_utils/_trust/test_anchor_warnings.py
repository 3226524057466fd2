# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings about CAs."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_reading, anchor_warnings, anchors
from ansible_collections.grid.security.plugins.plugin_utils._trust.anchor_sources import Group
from ansible_collections.grid.security.tests.support import ca_sources, pki
from ansible_collections.grid.security.tests.support.ca_sources import FILTERS, MIDDLE, ROOT, read


@pytest.fixture(name="release")
def _release(tmp_path: Path) -> Path:
    return ca_sources.write_release(tmp_path)


def test_warnings_are_a_line_each(release: Path) -> None:
    assert anchor_warnings.lines(read(release)) == ["trust anchors, expired: old"]
    assert anchor_warnings.lines(read(ROOT.pem)) == [
        "trust anchors, no signing policy, so Globus refuses certificates of these CAs (set subjects): Root"
    ]


@pytest.mark.parametrize(
    ("oid", "name"),
    [
        ("1.2.840.113549.1.1.5", "SHA-1"),
        ("1.2.840.113549.1.1.4", "MD5"),
        ("1.2.840.113549.1.1.3", "MD4"),
        ("1.2.840.113549.1.1.2", "MD2"),
    ],
)
def test_weak_signatures_of_intermediates(oid: str, name: str) -> None:
    algorithm = der.encode_sequence(der.encode_oid(oid), der.ENCODED_NULL)
    root, middle = (pem.encode("CERTIFICATE", pki.altered(one, algorithm=algorithm)) for one in (ROOT, MIDDLE))
    found = [one for one in anchor_warnings.lines(read(root + middle)) if "signed with" in one]
    assert len(found) == 1
    assert found[0].startswith(f"trust anchors, signed with {name}")
    assert found[0].endswith(": Middle")


@pytest.mark.parametrize("status", ["discontinued", "unaccredited", "experimental", "worthless"])
def test_warnings_about_accreditation(release: Path, status: str) -> None:
    (release / "classic/root.info").write_text(f"alias = root\nstatus =  {status}\n")
    found = read(release)
    expected = f"called {status} by their distribution (exclude them, or name {status} in profiles): root"
    assert f"trust anchors, {expected}" in anchor_warnings.lines(found, ["classic"])
    assert not any("distribution" in one for one in anchor_warnings.lines(found, [status]))


def orphans(files: dict[str, bytes], **filters: Any) -> list[str]:
    found = anchor_reading.collect(
        [Group("/release/classic", "classic", files), Group("igtf.tar.gz:mics", "mics", files)]
    )
    return anchor_warnings.orphans(found.orphans, {**FILTERS, **filters})


def test_companions_without_a_certificate_are_told() -> None:
    files = {"root.pem": ROOT.pem, "root.info": b"", "gone.info": b"", "gone.namespaces": b""}
    (line,) = orphans(files)
    assert line.endswith(
        "not placed: /release/classic/gone.info, /release/classic/gone.namespaces, igtf.tar.gz:mics/gone.info,"
        " igtf.tar.gz:mics/gone.namespaces"
    )
    assert orphans({"root.pem": ROOT.pem, "root.info": b""}) == []
    (line,) = orphans({f"{number:03}.info": b"" for number in range(100)})
    assert line.endswith("009.info and 190 more")


@pytest.mark.parametrize(
    "filters",
    [
        {"exclude": ["gone"]},
        {"exclude": ["Gone-CA"]},
        {"exclude": ["/CN=Gone"]},
        {"exclude": ["01" * 20]},
        {"include": ["root"]},
        {"profiles": ["slcs"]},
    ],
)
def test_companions_that_filters_leave_out_are_not_told(filters: dict[str, Any]) -> None:
    info = "alias = Gone-CA\nsubjectdn = /CN=Gone\nstatus = accredited:classic\nsha1fp.0 = " + ":".join(["01"] * 20)
    files = {"root.pem": ROOT.pem, "gone.info": info.encode(), "gone.namespaces": b"", "gone.signing_policy": b""}
    assert orphans(files, include=["gone"])
    assert orphans(files, **filters) == []


# --- bounds, and warnings that must not appear ------------------------------------------------------------------------


def lines(*found: pki.Credential, **changes: Any) -> list[str]:
    """Return the warnings about CAs with a signing policy. :param changes: to all facts about the certificates."""
    made = [
        anchors.Anchor(
            f"ca{number}", dataclasses.replace(one.facts, **changes), one.pem, {"signing_policy": b""}, set(), "x"
        )
        for number, one in enumerate(found)
    ]
    return anchor_warnings.lines(made)


@pytest.mark.parametrize(
    ("hours", "words"),
    [(-1, "expired"), (1, "expire within 30 days"), (30 * 24 - 1, "expire within 30 days"), (30 * 24 + 1, "")],
)
def test_the_end_of_a_ca_is_announced(hours: int, words: str) -> None:
    end = times.now() + datetime.timedelta(hours=hours)
    assert lines(ROOT, not_after=end) == ([f"trust anchors, {words}: ca0"] if words else [])


@pytest.mark.parametrize(("bits", "is_weak"), [(1024, True), (2047, True), (2048, False), (None, False)])
def test_short_rsa_keys(bits: int | None, is_weak: bool) -> None:
    assert bool(lines(ROOT, rsa_bits=bits)) is is_weak
    assert not is_weak or "fewer than 2048 bits: ca0" in lines(ROOT, rsa_bits=bits)[0]


@pytest.mark.parametrize("digest", ["SHA-1", "MD5"])
def test_signatures_of_roots_do_not_matter(digest: str) -> None:
    assert lines(ROOT, weak_digest=digest) == []
    assert len(lines(MIDDLE, weak_digest=digest)) == 1


def test_no_warning_about_a_good_ca() -> None:
    assert lines(ROOT, MIDDLE) == []
    assert anchor_warnings.lines([]) == []


@pytest.mark.parametrize("days", [-1, 10, 100])
def test_when_the_warnings_change_next(days: int) -> None:
    """By the end of a CA, or by the thirty days before it."""
    end = times.now() + datetime.timedelta(days=days)
    found = [
        anchors.Anchor("ca", dataclasses.replace(ROOT.facts, not_after=moment), ROOT.pem, {}, set(), "x")
        for moment in (end, times.now() + datetime.timedelta(days=5000))
    ]
    far = times.iso(found[1].certificate.not_after - datetime.timedelta(days=30))
    expected = {-1: far, 10: times.iso(end), 100: times.iso(end - datetime.timedelta(days=30))}
    assert anchor_warnings.next_change(found) == expected[days]
    assert anchor_warnings.next_change([]) is None
    assert anchor_warnings.next_change(found[:1]) == (None if days < 0 else expected[days])


@pytest.mark.parametrize("spelling", [str.lower, str.upper])
@pytest.mark.parametrize("separator", ["", ":"])
@pytest.mark.parametrize("is_stated_in_capitals", [True, False])
def test_fingerprints_that_a_release_states_are_excluded_in_either_case(
    spelling: Any, separator: str, is_stated_in_capitals: bool
) -> None:
    stated = separator.join(["ab"] * 20)
    info = f"alias = gone\nsha1fp.0 = {stated.upper() if is_stated_in_capitals else stated}\n"
    files = {"gone.info": info.encode()}
    assert orphans(files, exclude=[spelling(":".join(["ab"] * 20)), "x"]) == []
    assert orphans(files, exclude=[spelling("ab" * 20)]) == []
    assert orphans(files, exclude=[spelling("ac" * 20)])
