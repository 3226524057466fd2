# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a directory for a manifest."""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import (
    scan,
)
from ansible_collections.grid.security.tests.support import pki

ALICE = pki.issue("Alice")

PEM_KEY = ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

CA = pki.issue("CA", authority=True)


def test_directory_under_a_temporary_name_counts_for_nothing(home: Path) -> None:
    (home / ".grid-security-0123.tmp").mkdir()
    assert not scan.scan(str(home), ["*.pem"])


def scan_of(home: Path, content: bytes, name: str = "one.pem") -> dict[str, Any]:
    (home / name).write_bytes(content)
    (home / name).chmod(0o644)
    return scan.scan(str(home), ["*"], inspectors.INSPECTORS, observe=True)[name]


def test_contents_with_keys_are_not_told(home: Path) -> None:
    assert "content" in scan_of(home, b"vo")
    assert "content" not in scan_of(home, b"vo\n" + PEM_KEY)


def test_contents_together_are_limited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_Scan", functools.partial(scan._Scan, told_left=100))
    for number in range(5):
        scan_of(home, b"x" * 40, f"{number}.pem")
    assert (
        sum("content" in facts for facts in scan.scan(str(home), ["*"], inspectors.INSPECTORS, observe=True).values())
        == 2
    )


def test_bytes_read_together_are_limited(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_Scan", functools.partial(scan._Scan, read_left=100))
    for number in range(2):
        scan_of(home, b"x" * 40, f"{number}.pem")
    with pytest.raises(GridSecurityError) as caught:
        scan_of(home, b"x" * 40, "3.pem")
    assert caught.value.error_code == "too_large"


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (CA.pem, {"ca"}),
        (CA.certificate.public_bytes(Encoding.DER), {"ca"}),
        (pki.issue("User", issuer=CA).pem, set()),
        (CA.pem + PEM_KEY, {"ca", "private_key"}),
        (PEM_KEY[:-40], {"private_key"}),
        (PEM_KEY.replace(b"PRIVATE", b"RSA PRIVATE"), {"private_key"}),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", {"private_key"}),
        (CA.pem[:-60], set()),
        (b"", set()),
        (b"0\x80", set()),
    ],
    ids=range(10),
)
def test_what_a_pem_file_is(home: Path, content: bytes, kinds: set[str]) -> None:
    assert {"ca", "private_key"} & set(scan_of(home, content)) == kinds
    (home / "link.pem").symlink_to("one.pem")
    assert {"ca", "private_key"} & set(scan.scan(str(home), ["*"], inspectors.INSPECTORS)["link.pem"]) == kinds


def test_odd_names_and_targets(home: Path) -> None:
    for name in (b"\xff.pem", b"new\nline.pem", b"\x1b[31m.pem", b".grid-security-\n.tmp"):
        with open(os.fsencode(home) + b"/" + name, "wb"):
            pass
    targets = {"odd.pem": b"\xff", "long.pem": b"x" * 4000, "loop.pem": b"loop.pem", "dot.pem": b".", "away.pem": b"/x"}
    for name, target in targets.items():
        os.symlink(target, os.fsencode(home / name))
    one = {"name": "test", "directory": str(home), "entries": [], "manifest": {"patterns": ["*"], "sha256": ""}}
    (result,) = inspectors.converge([one], {}, False, False)
    assert set(result["found"]) == set(targets)
    assert result["found"]["odd.pem"]["target"] == r"\xff"
    assert {name for name, facts in result["found"].items() if facts.get("dangling")} == {"odd.pem"}
    json.dumps(result, ensure_ascii=False).encode()
