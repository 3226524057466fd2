# SPDX-License-Identifier: GPL-3.0-or-later
"""Test opening archives, and the errors of archives that do not open."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12
from ansible_collections.grid.security.plugins.module_utils._x509 import der
from ansible_collections.grid.security.tests.support import pki


@pytest.fixture(scope="module", name="alice")
def _alice() -> pki.Credential:
    return pki.issue()


def kind(data: bytes, passphrase: str | None, **options: int) -> str:
    with pytest.raises(GridSecurityError) as caught:
        pkcs12.load(data, passphrase, name="alice.p12", **options)
    assert caught.value.message.startswith("alice.p12: ")
    return caught.value.error_code


def test_opens(alice: pki.Credential) -> None:
    opened = pkcs12.load(alice.archive(), "import", name="alice.p12")
    assert opened.certificate == alice.certificate
    assert opened.key.private_numbers() == alice.key.private_numbers()


def test_unicode_passphrase(alice: pki.Credential) -> None:
    opened = pkcs12.load(alice.archive("sésame€"), "sésame€", name="alice.p12")
    assert opened.certificate == alice.certificate


@pytest.mark.parametrize("passphrase", [None, ""])
def test_no_passphrase(alice: pki.Credential, passphrase: str | None) -> None:
    assert pkcs12.load(alice.archive(""), passphrase, name="alice.p12").certificate == alice.certificate


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes these archives, and it is not installed")
@pytest.mark.parametrize("passphrase", ["import", "", "sésame"])
@pytest.mark.parametrize(
    "export",
    [[], ["-legacy"], ["-nomac"], ["-keypbe", "NONE", "-certpbe", "NONE"], ["-macalg", "sha512"], ["-iter", "600000"]],
    ids=["modern", "legacy", "no-mac", "unencrypted", "sha512", "600000-iterations"],
)
def test_what_openssl_writes(alice: pki.Credential, tmp_path: Path, export: list[str], passphrase: str) -> None:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem = alice.key.private_bytes(*form) + alice.certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "in.pem").write_bytes(pem)
    command = ["openssl", "pkcs12", "-export", *export, "-passout", "stdin", "-in", "in.pem", "-out", "alice.p12"]
    subprocess.run(command, input=f"{passphrase}\n".encode(), cwd=tmp_path, check=True)
    opened = pkcs12.load((tmp_path / "alice.p12").read_bytes(), passphrase, name="alice.p12")
    assert opened.certificate == alice.certificate


@pytest.mark.parametrize(("passphrase", "expected"), [("wrong", "wrong_passphrase"), (None, "passphrase_required")])
def test_wrong_passphrase(alice: pki.Credential, passphrase: str | None, expected: str) -> None:
    assert kind(alice.archive(), passphrase) == expected


def test_truncated(alice: pki.Credential) -> None:
    assert kind(alice.archive()[:-10], "import") == "truncated"


def test_iterations_above_the_limit(alice: pki.Credential) -> None:
    assert kind(alice.archive(), "import", max_kdf_iterations=100) == "kdf_limit"


def sequence(*parts: bytes) -> bytes:
    return der.encode_sequence(*parts)


def content_info(content: bytes) -> bytes:
    return sequence(der.encode_oid("1.2.840.113549.1.7.1"), der.encode(0xA0, der.encode_octet_string(content)))


def pbmac1_archive(iterations: int, length: int) -> bytes:
    """Return an archive with an integrity check as of RFC 9579."""
    salt, sha256 = der.encode_octet_string(b"salt"), sequence(der.encode_oid("1.2.840.113549.2.9"), der.ENCODED_NULL)
    numbers = (der.encode_integer(iterations), der.encode_integer(length))
    pbkdf2 = sequence(der.encode_oid("1.2.840.113549.1.5.12"), sequence(salt, *numbers, sha256))
    algorithm = sequence(der.encode_oid("1.2.840.113549.1.5.14"), sequence(pbkdf2, sha256))
    mac = sequence(sequence(algorithm, der.encode_octet_string(bytes(32))), salt)
    return sequence(der.encode_integer(3), content_info(sequence()), mac)


def test_work_grows_with_the_length_of_the_key() -> None:
    assert kind(pbmac1_archive(1000, 32), "import") == "wrong_passphrase"
    assert kind(pbmac1_archive(1_000_000, 1_000_000), "import") == "kdf_limit"


def test_work_grows_with_the_number_of_keys() -> None:
    pbe = sequence(der.encode_octet_string(b"saltsalt"), der.encode_integer(9_000_000))
    info = sequence(sequence(der.encode_oid("1.2.840.113549.1.12.1.3"), pbe), der.encode_octet_string(bytes(8)))
    bag = sequence(der.encode_oid("1.2.840.113549.1.12.10.1.2"), der.encode(0xA0, info))
    archive = sequence(der.encode_integer(3), content_info(sequence(content_info(sequence(*[bag] * 1000)))))
    assert kind(archive, "import") == "kdf_limit"


BOMB = sequence(
    der.encode_oid("1.2.840.113549.1.12.1.3"), sequence(der.encode_octet_string(b"salt"), der.encode_integer(1 << 40))
)
SHROUDED = sequence(
    der.encode_oid("1.2.840.113549.1.12.10.1.2"),
    der.encode(0xA0, sequence(BOMB, der.encode_octet_string(bytes(8)))),
)
NESTED = sequence(der.encode_oid("1.2.840.113549.1.12.10.1.6"), der.encode(0xA0, sequence(SHROUDED)))
HIGH_TAG = sequence(der.encode_oid("1.2.3"), b"\xbf\x87\x68\x00")


@pytest.mark.parametrize(
    ("bags", "expected"),
    [
        ([SHROUDED], "kdf_limit"),
        ([NESTED], "kdf_limit"),
        ([HIGH_TAG, SHROUDED], "kdf_limit"),
        ([SHROUDED, *[sequence(der.encode_oid("1.2.3"))] * 20_000], "malformed"),  # more than is read
        ([SHROUDED, b"\x30\x85\0\0\0\0\0"], "malformed"),
    ],
)
def test_work_cannot_hide_from_the_limit(bags: list[bytes], expected: str) -> None:
    archive = sequence(der.encode_integer(3), content_info(sequence(content_info(sequence(*bags)))))
    assert kind(archive, "import") == expected


# Older ones write a MAC of one round, and OpenSSL takes none for one.
NONE = [der.encode_integer(0)] if pki.CRYPTOGRAPHY >= 42 else []


@pytest.mark.parametrize(
    "number", [der.encode(der.INTEGER, b"\x7f" * 5000), der.encode(der.INTEGER, b"\x7f" * 200), *NONE]
)
def test_numbers_of_iterations_that_nobody_means(alice: pki.Credential, number: bytes) -> None:
    version, content, mac = (one.encoded() for one in der.read(alice.archive()).children)
    archive = sequence(version, content, sequence(*(der.encode(*one) for one in _fields(mac)[:2]), number))
    assert kind(archive, "import") in ("malformed", "kdf_limit", "wrong_passphrase", "unsupported_algorithm")


def _fields(element: bytes) -> list[tuple[int, bytes]]:
    return [(one.tag, one.content) for one in der.read(element).children]


def test_archive_without_a_key(alice: pki.Credential) -> None:
    assert kind(pki.Credential(None, alice.certificate).archive(), "import") == "no_private_key"


def test_certificate_of_another_key(alice: pki.Credential) -> None:
    stranger = pki.issue("Bob")
    archive = pki.Credential(alice.key, None, (stranger.certificate,)).archive()
    assert kind(archive, "import") == "no_certificate"


def test_damaged_name_of_the_integrity_check(alice: pki.Credential) -> None:
    damaged = data = alice.archive("")
    for digest in ("06052b0e03021a", "0609608648016503040201"):  # SHA-1 (cryptography before 38) and SHA-256
        name = bytes.fromhex(digest)
        damaged = damaged.replace(name, name[:-1] + bytes([name[-1] | 0x80]))
    assert damaged != data
    assert kind(damaged, "") == "malformed"


def test_every_truncation_and_many_flips_end_in_a_reason(alice: pki.Credential) -> None:
    data = alice.archive("")
    damaged = [data[:size] for size in range(0, len(data), 7)]
    damaged += [data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :] for at in range(0, len(data), 3)]
    for one in damaged:
        try:
            pkcs12.load(one, "", name="alice.p12", max_kdf_iterations=100_000)
        except GridSecurityError as error:
            assert error.message


@pytest.mark.parametrize(
    ("data", "expected", "named"),
    [
        (b"", "empty", "empty"),
        (b"x" * (1 << 20) + b"x", "too_large", "1 MiB"),
        (b"-----BEGIN CERTIFICATE-----\n", "not_pkcs12", "a PEM file"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n", "not_pkcs12", "a PEM private key"),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "not_pkcs12", "JKS"),
        (b"<!DOCTYPE html>", "not_pkcs12", "a web page"),
        (b"Dear user", "not_pkcs12", "a text file"),
        (der.encode_sequence(der.encode_integer(3)), "not_pkcs12", "another DER file"),
    ],
)
def test_no_archive(data: bytes, expected: str, named: str) -> None:
    with pytest.raises(GridSecurityError, match=named) as caught:
        pkcs12.load(data, "import", name="alice.p12")
    assert caught.value.error_code == expected


def test_der_certificate_is_named(alice: pki.Credential) -> None:
    with pytest.raises(GridSecurityError, match="a DER certificate"):
        pkcs12.load(alice.certificate.public_bytes(serialization.Encoding.DER), None, name="alice.p12")
