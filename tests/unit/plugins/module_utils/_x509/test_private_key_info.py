# SPDX-License-Identifier: GPL-3.0-or-later
"""Test that TLS libraries load placed pairs: a private key has the algorithm of its certificate."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, der, pem, private_key_info
from ansible_collections.grid.security.tests.support import conversions, pki

OPTIONS = {**conversions.DEFAULTS, "passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}
PLAIN = {"encrypt_privatekey": False}
OPENSSL = shutil.which("openssl") is not None
PARAMETERS = {"unrestricted": b"", "sha256": pki.PSS_SHA256}


@pytest.fixture(scope="module", name="key")
def _key() -> Any:
    return rsa.generate_private_key(65537, 2048)


def pss(key: Any, parameters: bytes) -> pki.Credential:
    if pki.CRYPTOGRAPHY < 38:
        pytest.skip("cryptography before 38 does not read RSA-PSS keys")
    return pki.rsa_pss(pki.issue(key=key), parameters)


def algorithm(one: pki.Credential) -> bytes:
    return certificate_der.key_algorithm(one.certificate.public_bytes(Encoding.DER))


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_rsa_pss_pairs_load_in_tls(key: Any, parameters: bytes, tmp_path: Path) -> None:
    """Also where the key in the archive is an ordinary RSA key."""
    one = pss(key, parameters)
    for changes in ({}, PLAIN):
        rendered = conversions.convert(
            pki.loose(one).archive(), {**OPTIONS, **changes, "check_privatekey": True}, "alice.p12"
        )
        pki.load_in_tls(rendered["certificate"], rendered["privatekey"], tmp_path, "store")


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_rsa_pss_keys_of_pem_files_load_in_tls(key: Any, parameters: bytes, tmp_path: Path) -> None:
    one = pss(key, parameters)
    form = (Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    rendered = conversions.convert(one.pem, {**OPTIONS, **PLAIN}, "alice.crt", key.private_bytes(*form))
    pki.load_in_tls(rendered["certificate"], rendered["privatekey"], tmp_path)


@pytest.mark.parametrize("parameters", PARAMETERS.values(), ids=PARAMETERS)
def test_the_algorithm_is_that_of_the_certificate_and_all_else_that_of_the_key(key: Any, parameters: bytes) -> None:
    ordinary = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    one = pss(key, parameters)
    version, identifier, numbers = der.read(private_key_info.encode(key, one.certificate)).children
    assert identifier.encoded() == algorithm(one) != algorithm(pki.issue(key=key))
    assert (version, numbers) == (der.read(ordinary).child(0), der.read(ordinary).child(2))


@pytest.mark.parametrize("key_type", pki.KEYS)
def test_other_keys_are_as_cryptography_writes_them(key_type: str) -> None:
    one = pki.issue(key=pki.KEYS[key_type]())
    form = (PrivateFormat.PKCS8, NoEncryption())
    assert private_key_info.encode(one.key, one.certificate) == one.key.private_bytes(Encoding.DER, *form)
    rendered = conversions.convert(
        one.pem, {**OPTIONS, **PLAIN}, "alice.crt", one.key.private_bytes(Encoding.PEM, *form)
    )
    assert rendered["privatekey"].encode() == one.key.private_bytes(Encoding.PEM, *form)


def test_an_rsa_pss_key_has_no_traditional_form(key: Any) -> None:
    archive = pki.loose(pss(key, b"")).archive()
    with pytest.raises(GridSecurityError, match=r"RSA-PSS .* Use privatekey_format: pkcs8") as caught:
        conversions.convert(archive, {**OPTIONS, **PLAIN, "privatekey_format": "traditional"}, "alice.p12")
    assert caught.value.error_code == "no_traditional_form"


@pytest.mark.skipif(not OPENSSL, reason="openssl makes these keys, and it is not installed")
@pytest.mark.parametrize(
    ("generated", "oldest"),
    [
        ("RSA", 36),
        ("RSA-PSS", 38),
        ("RSA-PSS -pkeyopt rsa_pss_keygen_md:sha256 -pkeyopt rsa_pss_keygen_saltlen:32", 38),
        ("RSA-PSS -pkeyopt rsa_pss_keygen_md:sha512 -pkeyopt rsa_pss_keygen_mgf1_md:sha256", 38),
        ("EC -pkeyopt ec_paramgen_curve:P-256", 36),
        ("EC -pkeyopt ec_paramgen_curve:P-521", 36),
        ("EC -pkeyopt ec_paramgen_curve:secp256k1", 36),
        ("EC -pkeyopt ec_paramgen_curve:brainpoolP256r1", 36),
        ("EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit", 47),
        ("ED25519", 36),
        ("ED448", 36),
    ],
)
def test_openssl_and_tls_load_pairs_of_every_type(generated: str, oldest: int, tmp_path: Path) -> None:
    if oldest > pki.CRYPTOGRAPHY:
        pytest.skip(f"cryptography before {oldest} does not read these keys")
    archive = exported(generated, tmp_path)
    for changes in ({}, PLAIN):
        rendered = conversions.convert(archive, {**OPTIONS, **changes}, "alice.p12")
        pki.load_in_tls(rendered["certificate"], rendered["privatekey"], tmp_path, "store")
        public = run("pkey -in key.pem -passin pass:store -pubout", tmp_path)
        same = public == run("x509 -in certificate.pem -noout -pubkey", tmp_path)
        assert same or "explicit" in generated  # the key then has the name of the curve


def exported(generated: str, directory: Path) -> bytes:
    """Return an archive with a key as of ``openssl genpkey -algorithm``."""
    run(f"genpkey -algorithm {generated} -out made.key", directory)
    run("req -new -x509 -key made.key -subj /CN=alice -out made.crt", directory)
    run("pkcs12 -export -inkey made.key -in made.crt -passout pass:import -out made.p12", directory)
    return (directory / "made.p12").read_bytes()


def run(command: str, directory: Path) -> bytes:
    done = subprocess.run(["openssl", *command.split()], cwd=directory, check=True, capture_output=True)
    return done.stdout


@pytest.mark.skipif(not OPENSSL, reason="openssl makes this archive, and it is not installed")
def test_an_rsa_pss_key_below_an_ordinary_certificate_becomes_an_ordinary_key(tmp_path: Path) -> None:
    if pki.CRYPTOGRAPHY < 38:
        pytest.skip("cryptography before 38 does not read RSA-PSS keys")
    run("genpkey -algorithm RSA-PSS -out made.key", tmp_path)
    (block,) = pem.blocks((tmp_path / "made.key").read_bytes())
    numbers = der.read(block.data).child(2).content
    (tmp_path / "rsa.key").write_bytes(pem.encode("RSA PRIVATE KEY", numbers))
    run("req -new -x509 -key rsa.key -subj /CN=alice -out made.crt", tmp_path)
    certificate, privatekey = ((tmp_path / name).read_bytes() for name in ("made.crt", "made.key"))
    rendered = conversions.convert(certificate, {**OPTIONS, **PLAIN}, "alice.crt", privatekey)
    pki.load_in_tls(rendered["certificate"], rendered["privatekey"], tmp_path)
    with pytest.raises(ssl.SSLError):
        pki.load_in_tls(certificate.decode(), privatekey.decode(), tmp_path)


def test_a_key_with_its_public_key_is_read() -> None:
    """The form of RFC 5958, as Java writes it."""
    key = ed25519.Ed25519PrivateKey.generate()
    form = (Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    _version, *parts = der.read(key.private_bytes(*form)).children
    rest = [one.encoded() for one in parts]
    public = der.encode(0x81, bytes(1) + key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    written = der.encode_sequence(der.encode_integer(1), *rest, public)
    assert private_key_info.load(written).private_bytes(*form) == key.private_bytes(*form)
