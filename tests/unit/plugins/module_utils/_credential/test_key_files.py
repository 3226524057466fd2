# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the public facts of private key files, which are read without the passphrase."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ansible_collections.grid.security.plugins.module_utils._credential import key_files, pkcs8
from ansible_collections.grid.security.plugins.module_utils._x509 import der, pem

KEY = ec.derive_private_key(0x1234567890, ec.SECP256R1())
INFO = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
RSA = rsa.generate_private_key(65537, 1024)
PLAIN = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
TRADITIONAL = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x"))
OURS = pkcs8.encrypt(INFO, "x", 1234)


def salt_of(text: bytes) -> str:
    """By another way than the reader's: the bytes behind PBKDF2's object identifier."""
    data = pem.first(text, "ENCRYPTED PRIVATE KEY") or b""
    start = data.index(der.encode_oid("1.2.840.113549.1.5.12")) + 11 + 2 + 2
    return data[start : start + 16].hex()


def protected(scheme: str = "1.2.840.113549.1.5.13", ciphertext: bytes = bytes(64), **changes: Any) -> bytes:
    """Return a key in the form of this collection, with the given differences."""
    salt = der.encode_octet_string(changes.get("salt", bytes(16)))
    prf = der.encode_sequence(der.encode_oid(changes.get("prf", "1.2.840.113549.2.9")), der.ENCODED_NULL)
    kdf = der.encode_sequence(salt, der.encode_integer(changes.get("iterations", 1000)), prf)
    cipher = der.encode_oid(changes.get("cipher", "2.16.840.1.101.3.4.1.42"))
    parameters = der.encode_sequence(
        der.encode_sequence(der.encode_oid(changes.get("kdf", "1.2.840.113549.1.5.12")), kdf),
        der.encode_sequence(cipher, der.encode_octet_string(bytes(16))),
    )
    algorithm = der.encode_sequence(der.encode_oid(scheme), parameters)
    info = der.encode_sequence(algorithm, der.encode_octet_string(ciphertext))
    return pem.encode("ENCRYPTED PRIVATE KEY", info)


def test_our_form_has_salt_and_iterations() -> None:
    assert key_files.describe(OURS) == {"kind": "encrypted", "salt": salt_of(OURS), "iterations": 1234}
    assert key_files.describe(protected())["iterations"] == 1000
    assert key_files.describe(b"Bag Attributes\n" + OURS.replace(b"\n", b"\r\n")) == key_files.describe(OURS)


@pytest.mark.parametrize(
    "changes",
    [
        {"salt": bytes(8)},
        {"prf": "1.2.840.113549.2.7"},
        {"cipher": "1.2.840.113549.3.7"},
        {"kdf": "1.3.6.1.4.1.11591.4.11"},
        {"iterations": 0},
        {"iterations": 1 << 40},
        {"scheme": "1.2.840.113549.1.12.1.3"},
    ],
)
def test_other_forms_are_encrypted_and_no_more(changes: dict[str, Any]) -> None:
    assert key_files.describe(protected(**changes)) == {"kind": "encrypted"}


@pytest.mark.parametrize("arguments", [("-v1", "PBE-SHA1-3DES"), ("-v2", "aes-256-cbc"), ("-scrypt",)])
def test_keys_of_openssl_are_encrypted(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(PLAIN)
    command = ["openssl", "pkcs8", "-topk8", "-in", "key.pem", *arguments, "-passout", "env:STORE"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, env={**os.environ, "STORE": "new"})
    assert key_files.describe(made.stdout)["kind"] == "encrypted"


def test_traditional_form_is_encrypted() -> None:
    assert b"DEK-Info" in TRADITIONAL
    assert key_files.describe(TRADITIONAL) == {"kind": "encrypted"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "none"),
        (b"garbage", "none"),
        (OURS + b"\n" * key_files.LARGEST, "none"),
        (PLAIN, "plain"),
        (OURS + PLAIN, "plain"),
        (PLAIN + OURS, "plain"),
        (KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "plain"),
        (pem.encode("ENCRYPTED PRIVATE KEY", b"garbage" * 30), "damaged"),
        (pem.encode("ENCRYPTED PRIVATE KEY", b""), "damaged"),
        (pem.encode("ENCRYPTED PRIVATE KEY", INFO), "damaged"),
        (pem.encode("ENCRYPTED RSA PRIVATE KEY", INFO), "damaged"),
        (OURS + pem.encode("ENCRYPTED PRIVATE KEY", INFO), "damaged"),
        (protected(scheme="1.2.840.113549.1.1.1"), "damaged"),
        (protected(ciphertext=b""), "damaged"),
        (TRADITIONAL.replace(b"DEK-Info", b"Dek-Info"), "damaged"),
        (b"-----BEGIN EC PRIVATE KEY-----\nX: ENCRYPTED\nDEK-Info: \n\n-----END EC PRIVATE KEY-----\n", "damaged"),
    ],
)
def test_what_is_no_encrypted_key(content: bytes, kind: str) -> None:
    assert key_files.describe(content)["kind"] == kind


def test_every_cut_is_noticed() -> None:
    data = pem.first(OURS, "ENCRYPTED PRIVATE KEY") or b""
    kinds = {key_files.describe(pem.encode("ENCRYPTED PRIVATE KEY", data[:end]))["kind"] for end in range(len(data))}
    assert kinds == {"damaged"}


def test_facts_hold_no_byte_of_the_key() -> None:
    data = pem.first(OURS, "ENCRYPTED PRIVATE KEY") or b""
    assert set(key_files.describe(OURS)) == {"kind", "salt", "iterations"}
    assert data[-64:].hex() not in str(key_files.describe(OURS))


def test_an_unencrypted_key_shows_its_algorithm() -> None:
    form = (PrivateFormat.TraditionalOpenSSL, NoEncryption())
    ordinary = {"kind": "plain", "algorithm": key_files.RSA}
    assert key_files.describe(PLAIN) == {"kind": "plain", "algorithm": "1.2.840.10045.2.1"}
    assert key_files.describe(RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())) == ordinary
    assert key_files.describe(RSA.private_bytes(Encoding.PEM, *form)) == ordinary
    assert key_files.describe(pem.encode("PRIVATE KEY", b"x")) == {"kind": "plain"}
    assert key_files.describe(KEY.private_bytes(Encoding.PEM, *form)) == {"kind": "plain"}
