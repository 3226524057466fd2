# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller learns of files."""

from __future__ import annotations

import base64
import json
import os
import pwd
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._x509 import pem
from ansible_collections.grid.security.tests.support import pki
from ansible_collections.grid.security.tests.support.file_sets import CONTENT, DIGEST, converge, key


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"a line\n", b"a line\n"), (b"x\n-----BEGIN PRIVATE KEY-----\n", None), (bytes((16 << 20) + 1), None)],
)
def test_a_text_in_place_is_told_as_a_whole_unless_it_is_a_key(home: Path, content: bytes, told: bytes | None) -> None:
    (home / "key").write_bytes(content)
    stored = converge(home, key(recall=True), send=False).get("stored")
    assert stored == (told and {str(home / "key"): base64.b64encode(told).decode()})


def test_a_text_that_is_not_there_is_not_told(home: Path) -> None:
    assert "stored" not in converge(home, key(recall=True), send=False)


ALICE = pki.issue("Alice")

PEM_KEY = ALICE.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

DER = ALICE.certificate.public_bytes(Encoding.DER)


def replace(home: Path, before: bytes, **fields: Any) -> dict[str, Any]:
    """Replace a file, and return the outcome with its diff."""
    (home / "key").write_bytes(before)
    (home / "key").chmod(0o644)
    one = {"name": "test", "directory": str(home), "entries": [{"state": "file", **key(**fields)}]}
    return inspectors.converge([one], {}, True, True)[0]


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (ALICE.pem, ALICE.pem),
        (PEM_KEY + ALICE.pem, ALICE.pem),
        (ALICE.pem + PEM_KEY, ALICE.pem),
        (ALICE.pem + pki.issue("Bob").pem, ALICE.pem),
        (b"password: 4711\n" + ALICE.pem, ALICE.pem),
        (DER, ALICE.pem),
        (PEM_KEY + ALICE.pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE"), ALICE.pem),
        (DER + PEM_KEY, None),
        (PEM_KEY, None),
        (PEM_KEY.replace(b"PRIVATE KEY", b"CERTIFICATE"), None),
        (pem.encode("CERTIFICATE", DER + PEM_KEY), ALICE.pem),
        (ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), None),
        (b"half a certificate", None),
    ],
    ids=range(13),
)
def test_of_a_certificate_s_file_only_the_certificate_is_told(home: Path, before: bytes, told: bytes | None) -> None:
    found = replace(home, before, observe=True)
    observed = found.get("observed", {}).get(str(home / "key"))
    assert (base64.b64decode(observed) if observed else None) == told
    assert secret_lines(PEM_KEY) & set(json.dumps(found).replace("\\n", " ").split(" ")) == set()
    assert "4711" not in json.dumps(found)


def secret_lines(pem_key: bytes) -> set[str]:
    return {line for line in pem_key.decode().splitlines() if "-----" not in line}


@pytest.mark.parametrize("cut", [0, 30])
def test_no_private_key_shows_in_a_diff(home: Path, cut: int) -> None:
    text = b"shown\n" + PEM_KEY[: len(PEM_KEY) - cut]
    (shown,) = replace(home, text)["diff"]
    assert "-shown\n-# a private key is not shown\n" in shown["prepared"]
    assert not [line for line in secret_lines(PEM_KEY) if line[:20] in shown["prepared"]]


def test_of_somebody_else_s_files_only_certificates_show(home: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root works for others")
    place = Path(tempfile.mkdtemp(prefix="grid-security-test-", dir="/var/tmp"))
    try:
        os.chown(place, pwd.getpwnam("nobody").pw_uid, -1)
        (place / "key").write_bytes(b"password: 4711\n" + ALICE.pem)
        (place / "key").chmod(0o644)
        one = {"name": "test", "owner": "nobody", "directory": str(place), "entries": [{"state": "file", **key()}]}
        for contents in ({}, {DIGEST: base64.b64encode(CONTENT).decode()}):
            (found,) = inspectors.converge([one], contents, True, True)
            shown = found["diff"][0]["prepared"]
            assert "4711" not in shown
            assert f"-{ALICE.pem.decode().splitlines()[1]}" in shown
            assert ("+key" in shown) is bool(contents)
    finally:
        shutil.rmtree(place)
