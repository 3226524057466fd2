# SPDX-License-Identifier: GPL-3.0-or-later
"""Test archives with several private keys, and archives without a pair."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import (
    pkcs12,
    pkcs12_contents,
)
from ansible_collections.grid.security.plugins.module_utils._x509 import der, key_pair
from ansible_collections.grid.security.tests.support import conversions, pki
from ansible_collections.grid.security.tests.support import pkcs12_writer as writer

NAME = "all.p12"
OPTIONS = {**conversions.DEFAULTS, "passphrase": "import", "encrypt_privatekey": False}


@pytest.fixture(scope="module", name="ca")
def _ca() -> pki.Credential:
    return pki.issue("CA", authority=True)


@pytest.fixture(scope="module", name="alice")
def _alice(ca: pki.Credential) -> pki.Credential:
    return pki.issue("Alice", issuer=ca, days=100)


@pytest.fixture(scope="module", name="bob")
def _bob(ca: pki.Credential) -> pki.Credential:
    return pki.issue("Bob", issuer=ca, days=200)


def load(data: bytes, friendly_name: str | None = None, passphrase: str = "import") -> key_pair.KeyPair:
    return pkcs12.load(data, passphrase, name=NAME, friendly_name=friendly_name)


def refusal(data: bytes, friendly_name: str | None = None, passphrase: str = "import") -> GridSecurityError:
    with pytest.raises(GridSecurityError) as caught:
        load(data, friendly_name, passphrase)
    assert caught.value.message.startswith(f"{NAME}: ")
    return caught.value


def expiry(one: pki.Credential) -> str:
    return (getattr(one.certificate, "not_valid_after_utc", None) or one.certificate.not_valid_after).strftime("%F")


@pytest.mark.parametrize("passphrase", ["import", "sésame", ""])
def test_the_only_pair_that_is_no_ca(alice: pki.Credential, ca: pki.Credential, passphrase: str) -> None:
    for parts in ([(alice, "alice"), (ca, "ca")], [(ca, "ca"), (alice, "alice")]):
        pair = load(pki.bundle(*parts, passphrase=passphrase), passphrase=passphrase)
        assert pair.certificate == alice.certificate
        assert pair.key.private_numbers() == alice.key.private_numbers()
        assert pair.others == (ca.certificate,)
        assert pair.friendly_name == "alice"
        assert pair.warnings == ()


def test_a_ca_alone_is_a_pair(ca: pki.Credential) -> None:
    assert load(ca.archive()).certificate == ca.certificate


def test_several_pairs_are_told_and_none_is_taken(alice: pki.Credential, bob: pki.Credential) -> None:
    error = refusal(pki.bundle((alice, "alice@home"), (bob, "bob's")))
    assert error.error_code == "several_pairs"
    assert error.message == (
        f"{NAME}: it holds 2 private keys with certificates, and it is not clear which pair to place:"
        f' "alice@home": /DC=org/DC=example/CN=Alice, valid until {expiry(alice)};'
        f' "bob\'s": /DC=org/DC=example/CN=Bob, valid until {expiry(bob)}.'
        " Set friendly_name to the name of the right pair, as shown between the quotes."
    )


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_a_friendly_name_chooses(alice: pki.Credential, bob: pki.Credential, name: str) -> None:
    pair = load(pki.bundle((alice, "alice"), (bob, "bob")), name)
    wanted = {"alice": alice, "bob": bob}[name]
    assert (pair.certificate, pair.friendly_name) == (wanted.certificate, name)
    assert pair.key.private_numbers() == wanted.key.private_numbers()


def test_a_friendly_name_chooses_a_ca(alice: pki.Credential, ca: pki.Credential) -> None:
    assert load(pki.bundle((alice, "alice"), (ca, "ca")), "ca").certificate == ca.certificate


def test_a_friendly_name_that_no_pair_has(alice: pki.Credential, bob: pki.Credential) -> None:
    for parts in ([(alice, "alice"), (bob, "bob")], [(alice, "alice")]):
        error = refusal(pki.bundle(*parts), "carol")
        assert error.error_code == "no_such_friendly_name"
        assert '"carol"' in error.message
        assert '"alice": /DC=org/DC=example/CN=Alice' in error.message


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("same", "same"), "friendly_name cannot choose among them"),
        ((None, None), "friendly_name cannot choose among them"),
        (("bob", None), "Set friendly_name to the name of the right pair"),
    ],
)
def test_equal_and_missing_names(alice: pki.Credential, bob: pki.Credential, names: tuple[Any, Any], said: str) -> None:
    error = refusal(pki.bundle((bob, names[0]), (alice, names[1])))
    assert said in error.message
    assert "xport only the credential" in error.message
    assert error.message.count("(no name)") == names.count(None)


def test_an_equal_name_does_not_choose(alice: pki.Credential, bob: pki.Credential) -> None:
    error = refusal(pki.bundle((alice, "same"), (bob, "same")), "same")
    assert error.error_code == "several_pairs"
    assert "friendly_name cannot choose among them" in error.message


def test_names_are_made_printable_and_short(alice: pki.Credential, bob: pki.Credential) -> None:
    odd = "\x1b[31m" + "é" * 500
    archive = pki.bundle((alice, odd), (bob, "bob"))
    message = refusal(archive).message
    assert "\x1b" not in message
    assert "é" * 100 not in message
    assert load(archive, odd).certificate == alice.certificate
    shown = message.split('"')[1]
    assert load(archive, shown).certificate == alice.certificate


def test_many_pairs_are_not_all_listed(ca: pki.Credential) -> None:
    message = refusal(pki.bundle(*((pki.issue(f"User {number}"), f"n{number}") for number in range(13)))).message
    assert "13 private keys" in message
    assert '"n9"' in message
    assert '"n10"' not in message
    assert "3 more" in message


def test_too_many_private_keys(alice: pki.Credential) -> None:
    assert refusal(pki.bundle(*[(alice, "alice")] * 101)).error_code == "several_pairs"


def test_the_same_pair_twice_is_one(alice: pki.Credential) -> None:
    assert load(pki.bundle((alice, "alice"), (alice, "copy")), "copy").certificate == alice.certificate
    assert load(pki.bundle((alice, "alice"), (alice, "copy"))).certificate == alice.certificate


def test_a_key_without_certificate_is_no_pair(alice: pki.Credential, bob: pki.Credential) -> None:
    lonely = pki.Credential(bob.key, None)
    for parts in ([(alice, "alice"), (lonely, "bob")], [(lonely, "bob"), (alice, "alice")]):
        assert load(pki.bundle(*parts)).certificate == alice.certificate


def test_certificates_of_other_keys_only(alice: pki.Credential, bob: pki.Credential, ca: pki.Credential) -> None:
    keys = [(pki.Credential(one.key, None), None) for one in (alice, bob)]
    error = refusal(pki.bundle(*keys, (pki.Credential(None, ca.certificate), None)))
    assert error.error_code == "no_certificate"


def test_the_newest_certificate_of_a_key_and_subject() -> None:
    old = pki.issue("Alice", start=-300, days=310)
    new = pki.issue("Alice", key=old.key)
    for first, second in ((old, new), (new, old)):
        archive = pki.Credential(old.key, first.certificate, (second.certificate,)).archive()
        assert load(archive).certificate == new.certificate


def test_certificates_of_a_key_with_several_subjects(alice: pki.Credential, ca: pki.Credential) -> None:
    other = pki.issue("Robot", key=alice.key, issuer=ca)
    archive = pki.bundle((alice, "alice"), (pki.Credential(None, other.certificate), None))
    assert refusal(archive).error_code == "several_pairs"


def test_result_has_the_friendly_name(alice: pki.Credential, bob: pki.Credential) -> None:
    archive = pki.bundle((alice, "alice"), (bob, "bob"))
    rendered = conversions.convert(archive, {**OPTIONS, "friendly_name": "bob"}, NAME)
    assert rendered["facts"]["friendly_name"] == "bob"
    assert rendered["certificate"].encode() == bob.pem
    unnamed = conversions.convert(pki.bundle((alice, None)), OPTIONS, NAME)
    assert "friendly_name" not in unnamed["facts"]


@pytest.mark.skipif(pki.CRYPTOGRAPHY < 43, reason="cryptography before 43 reads no archive with such a key")
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes this archive, and it is not installed")
def test_a_key_that_cannot_sign_is_told_by_its_type(tmp_path: Path, ca: pki.Credential) -> None:
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.key").write_bytes(ca.key.private_bytes(*form))
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    for command in (
        "genpkey -algorithm X25519 -out x.key",
        "pkey -in x.key -pubout -out x.pub",
        "req -new -key ca.key -subj /CN=x -out x.csr",
        "x509 -req -in x.csr -force_pubkey x.pub -CA ca.crt -CAkey ca.key -set_serial 1 -out x.crt",
        "pkcs12 -export -inkey x.key -in x.crt -passout pass:import -out x.p12",
    ):
        subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True)
    with pytest.raises(GridSecurityError, match="X25519 key") as caught:
        conversions.convert((tmp_path / "x.p12").read_bytes(), OPTIONS, NAME)
    assert caught.value.error_code == "unusable_pair"


# --- no pair at all ---------------------------------------------------------------------------------------------------


def test_a_truststore_is_named(alice: pki.Credential, bob: pki.Credential) -> None:
    certificates = [(pki.Credential(None, one.certificate), None) for one in (alice, bob)]
    error = refusal(pki.bundle(*certificates))
    assert error.error_code == "no_private_key"
    assert "2 certificates and no private key: it is a truststore" in error.message
    assert "1 certificate and no private key" in refusal(pki.bundle(certificates[0])).message


def test_a_key_alone_is_named(alice: pki.Credential) -> None:
    error = refusal(pki.bundle((pki.Credential(alice.key, None), None)))
    assert error.error_code == "no_certificate"
    assert "a private key and no certificate" in error.message
    assert "privatekey_src" in error.message


def bag(number: int, value: bytes) -> bytes:
    return der.encode_sequence(der.encode_oid(f"1.2.840.113549.1.12.10.1.{number}"), der.encode(der.CONTEXT_0, value))


def plain_archive(*bags: bytes) -> bytes:
    """Return an archive without encryption and without integrity check."""

    def info(content: bytes) -> bytes:
        data = der.encode(der.CONTEXT_0, der.encode_octet_string(content))
        return der.encode_sequence(der.encode_oid("1.2.840.113549.1.7.1"), data)

    safe = info(der.encode_sequence(info(der.encode_sequence(*bags))))
    return der.encode_sequence(der.encode_integer(3), safe)


def test_a_secret_alone_is_named() -> None:
    """As Java writes a SecretKeyEntry."""
    secret = der.encode_sequence(der.encode_oid("1.2.840.113549.1.12.10.1.2"), der.encode(der.CONTEXT_0, b"\4\1x"))
    error = refusal(plain_archive(bag(5, secret)), passphrase="")
    assert error.error_code == "no_private_key"
    assert "secret key" in error.message
    assert "SecretKeyEntry" in error.message


def test_nothing_at_all() -> None:
    error = refusal(plain_archive(), passphrase="")
    assert error.error_code == "no_private_key"
    assert "neither a private key nor a certificate" in error.message


def bags_of(one: pki.Credential) -> tuple[bytes, bytes]:
    key = one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = der.encode_octet_string(one.certificate.public_bytes(Encoding.DER))
    x509 = der.encode_sequence(der.encode_oid("1.2.840.113549.1.9.22.1"), der.encode(der.CONTEXT_0, certificate))
    return bag(1, key), bag(3, x509)


def test_pairs_in_bags_that_are_not_encrypted_or_lie_in_another(alice: pki.Credential, bob: pki.Credential) -> None:
    nested = bag(6, der.encode_sequence(*bags_of(bob)))
    for bags in ((*bags_of(alice), *bags_of(bob)), (*bags_of(alice), nested)):
        assert refusal(plain_archive(*bags), passphrase="").error_code == "several_pairs"


def test_a_private_key_of_an_unknown_type_is_left_out(alice: pki.Credential) -> None:
    algorithm = der.encode_sequence(der.encode_oid("1.2.643.7.1.1.1.1"))
    unknown = der.encode_sequence(der.encode_integer(0), algorithm, der.encode_octet_string(bytes(32)))
    pair = load(plain_archive(*bags_of(alice), bag(1, unknown)), passphrase="")
    assert pair.certificate == alice.certificate
    assert pair.warnings == ("left out 1 of its 2 private keys, which cannot be read here.",)


# --- what hides, and what cannot be read ------------------------------------------------------------------------------


def info(one: pki.Credential) -> bytes:
    return one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def certificate_of(one: pki.Credential) -> bytes:
    return writer.certificate_bag(one.certificate.public_bytes(Encoding.DER))


MAC = "import".encode("utf-16-be") + b"\0\0"


@pytest.mark.parametrize("mac", [MAC, None])
def test_a_key_in_an_encrypted_part_is_counted(alice: pki.Credential, ca: pki.Credential, mac: bytes | None) -> None:
    """The smallest key that there is, beside the only key that shows."""
    robot = pki.issue("Robot", key=ed25519.Ed25519PrivateKey.generate(), issuer=ca)
    hidden = [certificate_of(robot), writer.key_bag(info(robot))]
    parts = [writer.plain(writer.key_bag(info(alice), b"import"), certificate_of(alice))]
    encrypted = writer.encrypted(*hidden, passphrase=b"import")
    assert refusal(writer.archive(*parts, encrypted, mac=mac)).error_code == "several_pairs"
    visible = writer.plain(writer.key_bag(info(alice), b"import"))
    all_certificates = writer.encrypted(certificate_of(alice), *hidden, passphrase=b"import")
    for both in ([visible, all_certificates], [all_certificates, visible]):
        assert refusal(writer.archive(*both, mac=mac)).error_code == "several_pairs"
    alone = writer.encrypted(
        *hidden, writer.key_bag(info(alice), b"import"), certificate_of(alice), passphrase=b"import"
    )
    assert refusal(writer.archive(alone, mac=mac)).error_code == "several_pairs"


def test_the_usual_archive_is_opened_once(
    alice: pki.Credential, ca: pki.Credential, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = pki.bundle((pki.Credential(alice.key, alice.certificate, (ca.certificate,)), "alice@example.org"))
    monkeypatch.setattr(pkcs12_contents, "read", None)
    assert load(archive).friendly_name == "alice@example.org"


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("passphrase", [b"import", b"other"])
def test_a_key_that_cannot_be_read_costs_only_itself(alice: pki.Credential, first: bool, passphrase: bytes) -> None:
    """It is of an unknown type, or has another passphrase, as in Java; wherever it lies."""
    algorithm = der.encode_sequence(der.encode_oid("1.2.643.7.1.1.1.1"))
    unknown = der.encode_sequence(der.encode_integer(0), algorithm, der.encode_octet_string(bytes(32)))
    bags = [writer.key_bag(info(alice), b"import"), writer.key_bag(unknown, passphrase)]
    parts = [writer.plain(*(reversed(bags) if first else bags), certificate_of(alice))]
    pair = load(writer.archive(*parts, mac=MAC))
    assert pair.certificate == alice.certificate
    assert pair.warnings == ("left out 1 of its 2 private keys, which cannot be read here.",)


def test_a_certificate_that_cannot_be_read_may_be_the_one_that_is_meant(
    alice: pki.Credential, bob: pki.Credential
) -> None:
    data = bob.certificate.public_bytes(Encoding.DER)
    end = der.read(data).child(0).child(4).child(1)
    odd = writer.certificate_bag(data.replace(end.content, end.content[:2] + b"13" + end.content[4:]))
    keys = [writer.key_bag(info(one), b"import") for one in (alice, bob)]
    named = der.encode_oid("1.2.840.113549.1.9.20"), der.encode(0x1E, "alice".encode("utf-16-be"))
    attribute = der.encode(0x31, der.encode_sequence(named[0], der.encode(0x31, named[1])))
    keys[0] = der.encode_sequence(der.read(keys[0]).content, attribute)
    archive = writer.archive(writer.plain(*keys, odd, certificate_of(alice)), mac=MAC)
    assert "CN=Bob: its notAfter is" in refusal(archive).message
    assert "Note: left out a certificate: " in refusal(archive, "bob").message
    chosen = load(archive, "alice")
    assert chosen.certificate == alice.certificate
    assert "CN=Bob: its notAfter is" in chosen.warnings[0]


@pytest.mark.skipif(shutil.which("keytool") is None, reason="keytool writes these archives, and it is not installed")
def test_java_keystores(tmp_path: Path) -> None:
    def keytool(command: str, store: str) -> bytes:
        options = ["-keystore", store, "-storetype", "PKCS12", "-storepass", "import", "-noprompt"]
        subprocess.run(["keytool", *command.split(), *options], cwd=tmp_path, check=True, capture_output=True)
        return (tmp_path / store).read_bytes()

    keytool("-genkeypair -alias alice -keyalg EC -dname CN=Alice", "two.p12")
    two = keytool("-genkeypair -alias bob -keyalg EC -dname CN=Bob", "two.p12")
    assert '"alice": /CN=Alice' in refusal(two).message
    assert load(two, "bob").certificate.subject.rfc4514_string() == "CN=Bob"
    secret = keytool("-genseckey -alias wrap -keyalg AES -keysize 128", "secret.p12")
    assert "SecretKeyEntry" in refusal(secret).message
    keytool("-exportcert -alias alice -file alice.crt", "two.p12")
    assert "truststore" in refusal(keytool("-importcert -alias alice -file alice.crt", "trust.p12")).message


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl writes these archives, and it is not installed")
@pytest.mark.parametrize("cipher", ["PBE-SHA1-3DES", "PBE-SHA1-RC2-40", "PBE-SHA1-RC4-128", "aes-256-cbc", "NONE"])
@pytest.mark.parametrize("passphrase", ["import", "", "sésame"])
def test_keys_of_each_cipher(tmp_path: Path, cipher: str, passphrase: str) -> None:
    """The contents of two archives of openssl in one."""
    infos = [info for name in ("Alice", "Bob") for info in exported(name, cipher, passphrase, tmp_path)]
    archive = pki.archive_of(infos, passphrase)
    for name in ("Alice", "Bob"):
        chosen = load(archive, name, passphrase).certificate
        assert chosen.subject.rfc4514_string().startswith(f"CN={name}")


def exported(name: str, cipher: str, passphrase: str, directory: Path) -> tuple[der.Element, ...]:
    one = pki.issue(name)
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "in.pem").write_bytes(one.key.private_bytes(*form) + one.pem)
    command = ["openssl", "pkcs12", "-export", "-legacy", "-keypbe", cipher, "-certpbe", cipher, "-name", name]
    command += ["-passout", f"pass:{passphrase}", "-in", "in.pem", "-out", "out.p12"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    pfx = der.read((directory / "out.p12").read_bytes())
    return der.read(pfx.child(1).child(1).child(0).octets()).children
