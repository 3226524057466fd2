# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the separate decryption of each part of an archive: archives of openssl, with every supported cipher."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import (
    pkcs12,
    pkcs12_contents,
    pkcs12_passphrase,
)
from ansible_collections.grid.security.plugins.module_utils._x509 import der
from ansible_collections.grid.security.tests.support import pkcs12_writer as writer
from ansible_collections.grid.security.tests.support import pki

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes these archives")

ALICE = pki.issue()
KEY = ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
CERTIFICATE = ALICE.certificate.public_bytes(Encoding.DER)
CIPHERS = [
    *(f"PBE-SHA1-{name}" for name in ("RC4-128", "RC4-40", "3DES", "2DES", "RC2-128", "RC2-40")),
    *("AES-128-CBC", "AES-192-CBC", "AES-256-CBC", "CAMELLIA-128-CBC", "CAMELLIA-256-CBC", "DES-EDE3-CBC"),
]


def export(directory: Path, passphrase: bytes, *options: str, certificate: bytes = CERTIFICATE) -> bytes:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "in.pem").write_bytes(ALICE.key.private_bytes(*form) + ALICE.pem)
    (directory / "more.der").write_bytes(certificate)
    subprocess.run(
        ["openssl", "x509", "-inform", "der", "-in", "more.der", "-out", "more.pem"], cwd=directory, check=True
    )
    command = ["openssl", "pkcs12", "-export", *options, "-passout", "stdin", "-in", "in.pem", "-out", "out.p12"]
    subprocess.run(command, input=passphrase + b"\n", cwd=directory, check=True)
    return (directory / "out.p12").read_bytes()


def read(data: bytes, passphrase: str) -> pkcs12_contents.Contents:
    return pkcs12_contents.read(der.read(data), pkcs12_passphrase.encodings(passphrase), 1_000_000, "alice.p12")


@pytest.mark.parametrize("cipher", CIPHERS)
def test_ciphers(tmp_path: Path, cipher: str) -> None:
    try:
        data = export(tmp_path, "sésame".encode(), "-legacy", "-keypbe", cipher, "-certpbe", cipher)
    except subprocess.CalledProcessError:
        pytest.skip("this openssl lacks the cipher")
    contents = read(data, "sésame")
    assert [one.data for one in (*contents.keys, *contents.certificates)] == [KEY, CERTIFICATE]
    assert sorted(contents.opened) == [pkcs12_contents.CERTIFICATES, pkcs12_contents.KEY]
    wrong = read(data, "wrong")
    assert (wrong.keys, wrong.certificates, len(wrong.locked)) == ([], [], 2)


def test_openssl_on_a_terminal_with_latin_1(tmp_path: Path) -> None:
    """The MAC takes the characters, and the encryption takes the bytes, which are no UTF-8."""
    data = export(tmp_path, "sésame".encode("latin-1"))
    assert pkcs12.load(data, "sésame", name="alice.p12").certificate == ALICE.certificate


def test_a_certificate_that_cryptography_does_not_read_in_a_legacy_archive(tmp_path: Path) -> None:
    fields = der.read(CERTIFICATE).child(0).children
    start = der.encode(fields[4].child(1).tag, fields[4].child(1).content)
    odd = CERTIFICATE.replace(start, start[:4] + b"13" + start[6:])
    assert odd != CERTIFICATE
    data = export(tmp_path, b"import", "-legacy", "-certfile", "more.pem", certificate=odd)
    pair = pkcs12.load(data, "import", name="alice.p12")
    assert pair.certificate == ALICE.certificate
    assert "does not read the certificate of /DC=org/DC=example/CN=Alice: " in pair.warnings[0]


def test_hidden_iterations_count(tmp_path: Path) -> None:
    inner = writer.key_bag(KEY, b"import")
    data = writer.archive(writer.encrypted(inner, passphrase=b"import"))
    with pytest.raises(GridSecurityError) as caught:
        pkcs12_contents.read(der.read(data), [b"import"], 1500, "alice.p12")
    assert caught.value.error_code == "kdf_limit"
