# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the reasons for changes, after a run and in check mode."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._credential import reasons

WANTED = {"kind": "encrypted", "salt": "aa" * 16, "iterations": 600_000}
OTHER_SALT = {**WANTED, "salt": "bb" * 16}
PLAIN = {"kind": "plain"}
PSS = {"algorithm": "1.2.840.113549.1.1.10"}
RSA = {"algorithm": "1.2.840.113549.1.1.1"}


@pytest.mark.parametrize(
    ("wanted", "found", "same", "run", "check"),
    [
        (WANTED, WANTED, True, "passphrase changed", "passphrase differs"),
        (WANTED, WANTED, False, "passphrase changed", "passphrase differs"),  # renewed with the same key
        (WANTED, OTHER_SALT, True, "protection renewed (other salt)", "protection differs (other salt)"),
        (
            WANTED,
            {**OTHER_SALT, "iterations": 100_000},
            True,
            "protection renewed (100000 → 600000 iterations)",
            "protection differs (100000 → 600000 iterations)",
        ),
        (WANTED, OTHER_SALT, False, "private key replaced", "private key differs"),
        (WANTED, PLAIN, True, "private key was unencrypted", "private key is unencrypted"),
        (WANTED, PLAIN, False, "private key was unencrypted", "private key is unencrypted"),
        (
            WANTED,
            {"kind": "encrypted"},
            True,
            "private key was encrypted in another form",
            "private key is encrypted in another form",
        ),
        (WANTED, {"kind": "encrypted"}, False, "private key replaced", "private key differs"),
        (
            WANTED,
            {"kind": "damaged"},
            True,
            "private key was missing or damaged",
            "private key is missing or damaged",
        ),
        (PLAIN, PLAIN, True, "private key replaced", "private key differs"),
        (PLAIN, WANTED, True, "private key was encrypted", "private key is encrypted"),
        ({}, {}, True, "private key replaced", "private key differs"),
        (
            {**PLAIN, **PSS},
            {**PLAIN, **RSA},
            True,
            "private key rewritten as an RSA-PSS key, as its certificate requires",
            "private key is no RSA-PSS key, as its certificate requires",
        ),
        ({**PLAIN, **PSS}, {**PLAIN, **RSA}, False, "private key replaced", "private key differs"),
        ({**PLAIN, **PSS}, {**PLAIN, **PSS}, True, "private key replaced", "private key differs"),
        ({**PLAIN, **RSA}, {**PLAIN, **PSS}, True, "private key replaced", "private key differs"),
        (
            {**WANTED, **PSS},
            OTHER_SALT,
            True,
            "protection renewed (other salt, now as an RSA-PSS key)",
            "protection differs (other salt, or no RSA-PSS key)",
        ),
        ({**WANTED, **PSS}, WANTED, True, "passphrase changed", "passphrase differs"),
    ],
)
def test_private_key(wanted: dict[str, Any], found: dict[str, Any], same: bool, run: str, check: str) -> None:
    assert reasons.of_privatekey(wanted, found, same, check=False) == run
    assert reasons.of_privatekey(wanted, found, same, check=True) == check


@pytest.mark.parametrize(
    "found", [None, [], "encrypted", {"kind": ["x"]}, {"kind": "encrypted", "iterations": "9" * 99}]
)
def test_whatever_a_node_says_is_neither_believed_nor_quoted(found: Any) -> None:
    assert reasons.of_privatekey(WANTED, found, True, check=False) in (
        "private key replaced",
        "private key was encrypted in another form",
    )


@pytest.mark.parametrize("iterations", [-1, 0, 1 << 40, True, 1.5])
def test_iterations_of_a_node_are_numbers_within_reason(iterations: Any) -> None:
    found = {"kind": "encrypted", "salt": "cc" * 16, "iterations": iterations}
    assert str(1 << 40) not in reasons.of_privatekey(WANTED, found, True, check=False)
    assert "-1" not in reasons.of_privatekey(WANTED, found, True, check=False)


def test_engine_s_words_are_true_in_check_mode() -> None:
    assert reasons.of_file("/home/alice/.globus/userkey.pem", "removed", check=True) == "userkey.pem: still there"
    assert reasons.of_file("userkey.pem", "created", check=True) == "userkey.pem: missing"
    assert reasons.of_file("userkey.pem", "created", check=False) == "userkey.pem: created"
    assert reasons.of_file("userkey.pem", "mode 0644 → 0600", check=True) == "userkey.pem: mode 0644 → 0600"


FACTS = {
    "sha256_fingerprint": "aa",
    "subject": "CN=Alice",
    "subject_dn": "/CN=Alice",
    "not_after": "2028-01-02T03:04:05Z",
}


@pytest.mark.parametrize(
    ("before", "run", "check"),
    [
        (None, "certificate installed, valid until 2028-01-02", "certificate damaged"),
        (FACTS, "certificate file rewritten", "certificate file differs"),
        (
            {**FACTS, "sha256_fingerprint": "bb", "not_after": "2027-01-02T03:04:05Z"},
            "certificate renewed: 2027-01-02 → 2028-01-02",
            "certificate to be renewed: 2027-01-02 → 2028-01-02",
        ),
        (
            {**FACTS, "sha256_fingerprint": "bb", "subject": "CN=Bob", "subject_dn": "/CN=Bob"},
            "subject changed: /CN=Bob → /CN=Alice",
            "subject differs: /CN=Bob → /CN=Alice",
        ),
    ],
)
def test_certificate(before: dict[str, str] | None, run: str, check: str) -> None:
    assert reasons.of_certificate(FACTS, before, check=False) == run
    assert reasons.of_certificate(FACTS, before, check=True) == check
