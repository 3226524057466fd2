# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings about CAs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.plugins.plugin_utils._trust import anchor_reading, anchor_warnings
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
