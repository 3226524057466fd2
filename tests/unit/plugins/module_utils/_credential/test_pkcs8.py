# SPDX-License-Identifier: GPL-3.0-or-later
"""Test reproducible keys: compare the writer with golden vectors, and both with an independent computation.

:func:`recompute` follows ``docs/reproducible-keys.md`` and shares no code with the collection.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import textwrap
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from ansible_collections.grid.security.plugins.module_utils._credential import pkcs8
from ansible_collections.grid.security.plugins.module_utils._x509 import pem

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[4] / "docs/reproducible-keys.md"
RSA = Path(cryptography_vectors.__file__).parent / "asymmetric/PKCS8/unenc-rsa-pkcs8.pem"
KEYS: dict[str, Any] = {
    "rsa": load_pem_private_key(RSA.read_bytes(), None),
    "ec": ec.derive_private_key(0x1234567890, ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))),
}
# A change of these values would rewrite every key of every site: the label gets a new version instead.
GOLDEN: dict[str, dict[str, Any]] = json.loads((HERE / "golden/reproducible_keys_v2.json").read_text())


def info(name: str) -> bytes:
    encoded: bytes = KEYS[name].private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return encoded


# --- the document, as a program --------------------------------------------------------------------------------------


def recompute(private_key_info: bytes, passphrase: str, iterations: int) -> dict[str, str]:
    """Every value that the document names, in hexadecimal; ``pem`` as text."""
    values = {}
    for purpose in ("salt", "iv"):
        fields = [b"grid.security reproducible PKCS#8 v2", purpose.encode(), iterations.to_bytes(8, "big")]
        message = b"".join(len(field).to_bytes(8, "big") + field for field in fields)
        values[f"{purpose}_message"] = message
        values[purpose] = hmac.new(private_key_info, message, hashlib.sha256).digest()[:16]
    values["aes_key"] = hashlib.pbkdf2_hmac("sha256", passphrase.encode("utf-8"), values["salt"], iterations, 32)
    padding = 16 - len(private_key_info) % 16
    cipher = Cipher(algorithms.AES(values["aes_key"]), modes.CBC(values["iv"])).encryptor()
    values["ciphertext"] = cipher.update(private_key_info + bytes([padding] * padding)) + cipher.finalize()
    encoded = base64.b64encode(file_der(values, iterations)).decode()
    lines = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----",
        *textwrap.wrap(encoded, 64),
        "-----END ENCRYPTED PRIVATE KEY-----",
    ]
    return {**{name: value.hex() for name, value in values.items()}, "pem": "".join(f"{line}\n" for line in lines)}


def file_der(values: dict[str, bytes], iterations: int) -> bytes:
    """EncryptedPrivateKeyInfo."""
    number = iterations.to_bytes(iterations.bit_length() // 8 + 1, "big")  # DER integers have a sign bit
    prf = tlv(0x30, bytes.fromhex("06082a864886f70d0209 0500"))  # hmacWithSHA256, explicit NULL
    parameters = tlv(0x30, tlv(0x04, values["salt"]) + tlv(0x02, number) + prf)  # no keyLength
    kdf = tlv(0x30, bytes.fromhex("06092a864886f70d01050c") + parameters)
    scheme = tlv(0x30, bytes.fromhex("060960864801650304012a") + tlv(0x04, values["iv"]))
    algorithm = tlv(0x30, bytes.fromhex("06092a864886f70d01050d") + tlv(0x30, kdf + scheme))
    return tlv(0x30, algorithm + tlv(0x04, values["ciphertext"]))


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes(-(-size.bit_length() // 8), "big")
    return bytes([tag, 128 + len(length)]) + length + content


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KEYS)
def test_bytes_are_the_same_for_ever(name: str) -> None:
    vector = GOLDEN[name]
    assert info(name).hex() == vector["private_key_info"]
    assert pkcs8.encrypt(info(name), vector["passphrase"], vector["iterations"]).decode() == vector["pem"]


@pytest.mark.parametrize("name", KEYS)
def test_the_document_suffices_to_recompute_every_value(name: str) -> None:
    given = {one: GOLDEN[name][one] for one in ("private_key_info", "passphrase", "iterations")}
    computed = recompute(bytes.fromhex(given["private_key_info"]), given["passphrase"], given["iterations"])
    assert {**given, **computed} == GOLDEN[name]


def test_the_document_shows_the_golden_vector() -> None:
    text = "".join(DOCUMENT.read_text().split())
    for name, value in GOLDEN["ed25519"].items():
        assert "".join(str(value).split()) in text, name


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("iterations", [1000, 32_768, 40_000, 1 << 24])
def test_the_document_holds_for_integers_of_every_length(
    name: str, iterations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashlib, "pbkdf2_hmac", lambda *_arguments: bytes(32))  # takes seconds, and is not tried here
    assert pkcs8.encrypt(info(name), "store", iterations).decode() == recompute(info(name), "store", iterations)["pem"]


@pytest.mark.parametrize("name", KEYS)
def test_opens_with_its_passphrase(name: str) -> None:
    opened = load_pem_private_key(pkcs8.encrypt(info(name), "sésame", 1000), "sésame".encode())
    assert opened.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) == info(name)


def header(name: str, passphrase: str, iterations: int) -> tuple[bytes, bytes, bytes]:
    """Salt, IV and ciphertext of a written key; their places are the same for all numbers of three bytes."""
    (block,) = pem.blocks(pkcs8.encrypt(info(name), passphrase, iterations))
    salt, rest = block.data.split(bytes.fromhex("0410"), 1)[1][:16], block.data.split(bytes.fromhex("012a0410"), 1)[1]
    return salt, rest[:16], rest[16:]


@pytest.mark.parametrize("name", KEYS)
def test_salt_and_iv_tell_nothing_about_the_passphrase(name: str) -> None:
    first, second = header(name, "sesame", 1000), header(name, "seasme", 1000)
    assert first[:2] == second[:2]
    assert first[2] != second[2]


@pytest.mark.parametrize("name", KEYS)
def test_salt_and_iv_are_distinct_and_no_part_of_each_other(name: str) -> None:
    salt, iv, _ciphertext = header(name, "sesame", 1000)
    assert len(set(salt)) > 4 and len(set(iv)) > 4, "padded or constant"
    assert not set(zip(salt, salt[1:], salt[2:])) & set(zip(iv, iv[1:], iv[2:]))


def test_key_and_iterations_change_salt_and_iv() -> None:
    headers = [header(name, "sesame", iterations) for name in KEYS for iterations in (1000, 1001)]
    assert len({salt for salt, _iv, _ciphertext in headers}) == 6
    assert len({iv for _salt, iv, _ciphertext in headers}) == 6


def test_key_passphrase_and_iterations_change_the_ciphertext() -> None:
    written = {
        header(name, word, iterations)[2]
        for name in KEYS
        for word in ("sesame", "seasme")
        for iterations in (1000, 1001)
    }
    assert len(written) == 12
