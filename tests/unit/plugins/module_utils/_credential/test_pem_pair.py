# SPDX-License-Identifier: GPL-3.0-or-later
"""Test credentials in PEM, and the errors of unusable ones."""

from __future__ import annotations

import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import pem_pair
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem
from ansible_collections.grid.security.tests.support import pki

AUTHORITY = pki.issue("CA", authority=True)
HOST = pki.issue("host", issuer=AUTHORITY, key=rsa.generate_private_key(65537, 2048))
PKCS8, TRADITIONAL = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL


def key_of(one: pki.Credential, form: Any = PKCS8, passphrase: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    written: bytes = one.key.private_bytes(Encoding.PEM, form, encryption)
    return written


def load(certificates: bytes, key: bytes, passphrase: str | None = None) -> Any:
    return pem_pair.load(certificates, key, passphrase, name="host")


@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
@pytest.mark.parametrize("passphrase", [None, "secret"])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_every_form_of_key(form: Any, passphrase: str | None, line_end: bytes) -> None:
    key = key_of(HOST, form, passphrase.encode() if passphrase else None).replace(b"\n", line_end)
    pair = load(b"Bag Attributes\n" + HOST.pem + AUTHORITY.pem, key, passphrase)
    assert pair.certificate == HOST.certificate
    assert pair.others == (AUTHORITY.certificate,)
    assert pair.key.private_numbers() == HOST.key.private_numbers()


def test_one_file_may_hold_both_and_an_unused_passphrase_does_no_harm() -> None:
    both = HOST.pem + key_of(HOST)
    assert load(both, both, "unused").certificate == HOST.certificate


def encrypted(data: bytes) -> bytes:
    return pem.encode("ENCRYPTED PRIVATE KEY", data)


def with_cut_iv(key: bytes) -> bytes:
    """Return the key with a header cut short, as by careless copying: cryptography panics at it."""
    return re.sub(rb"(DEK-Info: AES-256-CBC,\w{20})\w+", rb"\1", key)


@pytest.mark.parametrize(
    ("certificates", "key", "passphrase", "kind"),
    [
        (b"<html>", key_of(HOST), None, "not_pem"),
        (HOST.archive(), key_of(HOST), None, "not_pem"),
        (pem.encode("CERTIFICATE", b"x"), key_of(HOST), None, "malformed"),
        (HOST.pem, HOST.pem, None, "no_private_key"),
        (HOST.pem, key_of(HOST) + key_of(AUTHORITY), None, "no_private_key"),
        (HOST.pem, key_of(HOST, PKCS8, b"secret"), None, "passphrase_required"),
        (HOST.pem, key_of(HOST, TRADITIONAL, b"secret"), None, "passphrase_required"),
        (HOST.pem, key_of(HOST, PKCS8, b"secret"), "wrong", "wrong_passphrase"),
        (HOST.pem, key_of(HOST, TRADITIONAL, b"secret"), "wrong", "wrong_passphrase"),
        (HOST.pem, encrypted(b"x"), "secret", "malformed"),
        (HOST.pem, with_cut_iv(key_of(HOST, TRADITIONAL, b"secret")), "secret", "malformed"),
        (HOST.pem, pem.encode("PRIVATE KEY", b"x"), None, "malformed"),
        (HOST.pem, key_of(pki.issue(key=ec.generate_private_key(ec.SECP256R1()))), None, "no_certificate"),
        (HOST.pem + b" " * (1 << 20), key_of(HOST), None, "too_large"),
    ],
)
def test_each_mistake_is_named(certificates: bytes, key: bytes, passphrase: str | None, kind: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        load(certificates, key, passphrase)
    assert caught.value.error_code == kind
    assert caught.value.message.startswith("host: ")


@pytest.mark.parametrize(
    "header", [b"DEK-Info\t: ", b" DEK-Info: ", b"DEK-Info:\x0b", "DEK-Info:\u00a0".encode(), b"DEK-Info: \r"]
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_cut_iv_behind_any_white_space_is_damage(header: bytes, line_end: bytes) -> None:
    """cryptography strips the white space of Unicode, and panics at the value."""
    key = with_cut_iv(key_of(HOST, TRADITIONAL, b"secret")).replace(b"DEK-Info: ", header).replace(b"\n", line_end)
    with pytest.raises(GridSecurityError) as caught:
        load(HOST.pem, key, "secret")
    assert caught.value.error_code == "malformed"


def test_a_key_that_asks_for_too_much_work_is_not_opened() -> None:
    salt = der.encode_octet_string(b"saltsalt")
    parameters = der.encode_sequence(salt, der.encode_integer(1 << 40))
    algorithm = der.encode_sequence(der.encode_oid("1.2.840.113549.1.12.1.3"), parameters)
    info = der.encode_sequence(algorithm, der.encode_octet_string(b"x"))
    with pytest.raises(GridSecurityError, match="iterations of key derivation"):
        load(HOST.pem, encrypted(info), "secret")
