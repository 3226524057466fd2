# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the conversion of archives and key pairs to files of a credential."""

from __future__ import annotations

import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import convert, kdf, pkcs8
from ansible_collections.grid.security.plugins.module_utils._x509 import certificates, der, pem
from ansible_collections.grid.security.tests.support import conversions, pki


def options(**changes: Any) -> dict[str, Any]:
    return {
        **conversions.DEFAULTS,
        "passphrase": "import",
        "privatekey_passphrase": "store",
        "kdf_iterations": 1000,
        **changes,
    }


def render(one: pki.Credential, **changes: Any) -> dict[str, Any]:
    return conversions.convert(one.archive(), options(**changes), "alice.p12")


def kind_of(function: Any, *arguments: Any) -> str:
    with pytest.raises(GridSecurityError) as caught:
        function(*arguments)
    assert caught.value.message.startswith("alice.p12: ")
    return caught.value.error_code


@pytest.mark.parametrize("key_type", pki.KEYS)
def test_keys_of_every_type_are_the_same_after_conversion(key_type: str) -> None:
    if key_type == "ed25519" and pki.CRYPTOGRAPHY < 38:
        pytest.skip("cryptography before 38 cannot write an archive with an Ed25519 key")
    key, authority = pki.KEYS[key_type](), pki.issue("CA")
    rendered = render(pki.issue(key=key, issuer=authority), check_privatekey=True)
    opened = serialization.load_pem_private_key(rendered["privatekey"].encode(), b"store")
    form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    assert opened.private_bytes(*form) == key.private_bytes(*form)


def test_archive_exported_again_gives_the_same_files() -> None:
    one = pki.issue()
    again = conversions.convert(one.archive("other"), options(passphrase="other"), "alice.p12")
    assert one.archive() != one.archive("other")
    assert render(one) == again


def test_passphrase_and_iterations_change_the_key_only() -> None:
    one = pki.issue()
    first = render(one)
    for change in ({"privatekey_passphrase": "other"}, {"kdf_iterations": 1001}):
        second = render(one, **change)
        assert second["privatekey"] != first["privatekey"]
        assert second["certificate"] == first["certificate"]


@pytest.mark.parametrize(
    ("iterations", "encrypted", "warned"),
    [(1000, True, True), (99_999, True, True), (100_000, True, False), (None, True, False), (1000, False, False)],
)
def test_few_iterations_are_warned_of(iterations: int | None, encrypted: bool, warned: bool) -> None:
    chosen = options(encrypt_privatekey=encrypted, kdf_iterations=iterations or conversions.DEFAULTS["kdf_iterations"])
    warnings = conversions.convert(pki.issue().archive(), chosen, "alice.p12")["warnings"]
    expected = (
        f"alice.p12: kdf_iterations is {iterations}, so the passphrase of the stored key can be guessed fast. Set it to"
        " 100000 or more; the default is 600000."
    )
    assert warnings == ([expected] if warned else [])


def test_stored_keys_take_600000_iterations_by_default() -> None:
    chosen = {**conversions.DEFAULTS, "passphrase": "import", "privatekey_passphrase": "store"}
    (block,) = pem.blocks(conversions.convert(pki.issue().archive(), chosen, "alice.p12")["privatekey"].encode())
    assert max(kdf.iterations(der.read(block.data).child(0))) == 600_000


def test_chain_is_leaf_first_whatever_the_archive_s_order() -> None:
    root = pki.issue("Root")
    middle = pki.issue("Middle", issuer=root)
    leaf = pki.issue("Alice", issuer=middle)
    shuffled = pki.Credential(leaf.key, leaf.certificate, tuple(reversed(leaf.others)))
    text = render(shuffled, include_chain=True)["certificate"]
    expected = [leaf.certificate, middle.certificate, root.certificate]
    assert text == "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in expected)


def hiding(iterations: int) -> bytes:
    """Return an archive without MAC. In an encrypted part, its private key asks for ``iterations`` of derivation."""
    key = der.encode_sequence(_pbe(iterations), der.encode_octet_string(bytes(8)))
    bag = der.encode_sequence(der.encode_oid("1.2.840.113549.1.12.10.1.2"), der.encode(0xA0, key))
    hidden = _encrypted(der.encode_sequence(bag))
    info = der.encode_sequence(der.encode_oid("1.2.840.113549.1.7.6"), der.encode(0xA0, hidden))
    safe = der.encode(0xA0, der.encode_octet_string(der.encode_sequence(info)))
    content = der.encode_sequence(der.encode_oid("1.2.840.113549.1.7.1"), safe)
    return der.encode_sequence(der.encode_integer(3), content)


def _pbe(iterations: int) -> bytes:
    """RFC 7292's 3DES with three keys."""
    parameters = der.encode_sequence(der.encode_octet_string(b"saltsalt"), der.encode_integer(iterations))
    return der.encode_sequence(der.encode_oid("1.2.840.113549.1.12.1.3"), parameters)


def _encrypted(plain: bytes) -> bytes:
    """EncryptedData (RFC 2315), by the encryption of a private key, which has the same fields."""
    (block,) = pem.blocks(pkcs8.encrypt(plain, "import", 1000))
    algorithm, content = der.read(block.data).children
    data = der.encode_oid("1.2.840.113549.1.7.1"), algorithm.encoded()
    return der.encode_sequence(der.encode_integer(0), der.encode_sequence(*data, der.encode(0x80, content.content)))


@pytest.mark.skipif(pki.CRYPTOGRAPHY < 42, reason="cryptography before 42 opens no archive without an integrity check")
def test_work_that_is_hidden_in_an_encrypted_part_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert, "_SECONDS", 1)
    start = time.process_time()
    limits = {"max_kdf_iterations": 20_000}
    assert kind_of(conversions.convert, hiding(1 << 30), options(**limits), "alice.p12") == "kdf_limit"
    assert kind_of(conversions.convert, hiding(1000), options(**limits), "alice.p12") == "two_passphrases"
    assert time.process_time() - start < 1  # of this process


@pytest.mark.parametrize("change", [(b"\x0c\x05Alice", b"\x03\x05Alice"), (b"\x55\x1d\x13", b"\x55\x1d\x11")])
def test_certificates_that_are_damaged_inside(change: tuple[bytes, bytes]) -> None:
    one = pki.issue(authority=True, host="alice.example.org")
    damaged = one.archive("").replace(*change)
    assert damaged != one.archive("")
    version, content, _mac = (part.encoded() for part in der.read(damaged).children)
    given = options(passphrase="", dns_name="alice.example.org")
    assert kind_of(conversions.convert, der.encode_sequence(version, content), given, "alice.p12") == "malformed"
    certificate = one.certificate.public_bytes(serialization.Encoding.DER).replace(*change)
    found = certificates.present(pem.encode("CERTIFICATE", certificate))
    assert found is None or found["subject_dn"] == "/DC=org/DC=example/CN=Alice"


@pytest.mark.parametrize("option", ["passphrase", "privatekey_passphrase"])
def test_passphrase_that_is_no_text(option: str) -> None:
    assert kind_of(conversions.convert, b"", options(**{option: "half \ud83d"}), "alice.p12") == "bad_passphrase"


def test_unencrypted_keys_are_an_explicit_choice() -> None:
    one = pki.issue()
    assert kind_of(lambda: render(one, privatekey_passphrase="")) == "no_privatekey_passphrase"
    assert "BEGIN PRIVATE KEY" in render(one, encrypt_privatekey=False)["privatekey"]
    form = render(one, encrypt_privatekey=False, privatekey_format="traditional")["privatekey"]
    assert "BEGIN EC PRIVATE KEY" in form
    assert kind_of(lambda: render(one, privatekey_format="traditional")) == "traditional_encrypted"


def test_weak_key_warns() -> None:
    one = pki.issue(key=rsa.generate_private_key(65537, 1024))
    assert "1024 bits" in render(one)["warnings"][0]


def test_credential_of_another_host_is_refused() -> None:
    one = pki.issue("se.example.org")
    assert render(one, dns_name="se.example.org")["facts"]["subject_dn"].endswith("/CN=se.example.org")
    assert kind_of(lambda: render(one, dns_name="wn.example.org")) == "wrong_host"
