# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the search for the certificate of a private key."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import key_pair
from ansible_collections.grid.security.tests.support import pki

ROOT = pki.issue("Root", authority=True)
ALICE = pki.issue("Alice", issuer=ROOT)
OTHER = pki.issue("Other", issuer=ROOT)


def certificates(*found: pki.Credential) -> list[Any]:
    return [one.certificate for one in found]


def test_the_first_certificate_of_the_key_and_the_others_once() -> None:
    again = pki.issue("Alice again", issuer=ROOT, key=ALICE.key)
    found = certificates(ROOT, ALICE, again, ROOT, ALICE)
    pair = key_pair.match(ALICE.key, found, name="a.p12", warnings=("odd",), friendly_name="alice")
    assert pair.certificate == ALICE.certificate
    assert pair.others == (ROOT.certificate, again.certificate)
    assert (pair.warnings, pair.friendly_name) == (("odd",), "alice")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([ROOT], "its certificate does not belong"),
        ([ROOT, OTHER], "none of its 2 certificates belongs"),
        ([ROOT, ROOT], "its certificate"),
    ],
)
def test_no_certificate_belongs_to_the_key(found: list[pki.Credential], words: str) -> None:
    with pytest.raises(GridSecurityError, match=rf"^a\.p12: {words}") as caught:
        key_pair.match(ALICE.key, certificates(*found), name="a.p12")
    assert caught.value.error_code == "no_certificate"


class Damaged:
    """Looks like the certificate of a key, and has no subject."""

    def __init__(self, certificate: Any) -> None:
        self.public_key = certificate.public_key

    @property
    def version(self) -> Any:
        raise ValueError("damaged")


def test_a_damaged_certificate_is_told() -> None:
    for found in ([Damaged(ALICE.certificate)], [ALICE.certificate, Damaged(ROOT.certificate)]):
        with pytest.raises(GridSecurityError, match=r"^a\.p12: a certificate is damaged \(damaged\)") as caught:
            key_pair.match(ALICE.key, found, name="a.p12")
        assert caught.value.error_code == "malformed"


def test_a_key_that_cannot_be_read_belongs_to_nothing() -> None:
    unreadable = SimpleNamespace(public_key=lambda: 1 / 0)
    assert key_pair.public_key_in(unreadable) is None
    assert key_pair.public_key_in(ALICE.certificate) == key_pair.public_key_of(ALICE.key)


@pytest.mark.parametrize(("bits", "is_weak"), [(1024, True), (2047, True), (2048, False)])
def test_short_rsa_keys_are_warned_of(bits: int, is_weak: bool) -> None:
    one = pki.issue("Short", key=rsa.generate_private_key(65537, bits))
    warnings = key_pair.match(one.key, [one.certificate], name="x").warnings
    assert bool(warnings) is is_weak
    assert not is_weak or f"{bits} bits" in warnings[0]


def test_no_warning_about_other_keys() -> None:
    assert key_pair.match(ALICE.key, [ALICE.certificate], name="x").warnings == ()


@pytest.mark.parametrize(("version", "is_good"), [(0, False), (35, False), (36, True), (50, True)])
def test_cryptography_must_be_there_and_new(monkeypatch: pytest.MonkeyPatch, version: int, is_good: bool) -> None:
    monkeypatch.setattr(key_pair, "_VERSION", version)
    if is_good:
        key_pair.check_cryptography()
    else:
        with pytest.raises(GridSecurityError) as caught:
            key_pair.check_cryptography()
        assert caught.value.error_code == "no_cryptography"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (rsa.generate_private_key(65537, 1024), "RSA"),  # noqa: S505
        (ec.generate_private_key(ec.SECP256R1()), "EC"),
        (ed25519.Ed25519PrivateKey.generate(), "Ed25519"),
        (x25519.X25519PrivateKey.generate(), "X25519"),
    ],
)
def test_names_of_types(key: Any, name: str) -> None:
    assert key_pair.type_of(key) == name
