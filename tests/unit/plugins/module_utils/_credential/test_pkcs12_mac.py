# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the check of the MAC of archives."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import kdf, pkcs12
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._x509 import der
from ansible_collections.grid.security.tests.support import pkcs12_writer as writer
from ansible_collections.grid.security.tests.support import pki

ALICE = pki.issue()
KEY = ALICE.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
CERTIFICATE = writer.certificate_bag(ALICE.certificate.public_bytes(Encoding.DER))


def parts(passphrase: bytes) -> tuple[bytes, bytes]:
    return writer.plain(writer.key_bag(KEY, passphrase)), writer.encrypted(CERTIFICATE, passphrase=passphrase)


def characters(text: str) -> bytes:
    return text.encode("utf-16-be") + b"\0\0"


def opens(data: bytes, passphrase: str | None) -> bool:
    opened = pkcs12.load(data, passphrase, name="alice.p12")
    assert opened.key.private_numbers() == ALICE.key.private_numbers()
    return bool(opened.certificate == ALICE.certificate)


def kind(data: bytes, passphrase: str | None, **options: int) -> str:
    with pytest.raises(GridSecurityError) as caught:
        pkcs12.load(data, passphrase, name="alice.p12", **options)
    return caught.value.error_code


@pytest.mark.parametrize("passphrase", ["import", "sésame€", "🔑 and ключ", ""])
def test_usual(passphrase: str) -> None:
    assert opens(writer.archive(*parts(passphrase.encode()), mac=characters(passphrase)), passphrase)


MIXED = [
    # OpenSSL before 1.1: the MAC takes the bytes of UTF-8 for characters, PBES2 uses the bytes.
    ("sésame", "sésame".encode(), characters("sésame".encode().decode("latin-1"))),
    # OpenSSL on a terminal with Latin-1: PBES2 uses its bytes.
    ("sésame", "sésame".encode("latin-1"), characters("sésame")),
    # Two encodings of "no passphrase"
    ("", b"", b""),
    # Old versions of NSS: PBES2 uses the two bytes of each character.
    ("import", characters("import"), characters("import")),
    # A keyboard that sends accents as characters of their own
    ("sésame", "se\u0301same".encode(), characters("se\u0301same")),
]


@pytest.mark.parametrize(("passphrase", "cipher", "mac"), MIXED)
def test_passphrase_in_two_encodings(passphrase: str, cipher: bytes, mac: bytes) -> None:
    data = writer.archive(*parts(cipher), mac=mac)
    assert opens(data, passphrase)
    assert kind(data, "other") in ("wrong_passphrase", "two_passphrases")


@pytest.mark.parametrize(
    "oid", [writer.SHA_256, "1.3.14.3.2.26", *(f"2.16.840.1.101.3.4.2.{one}" for one in range(2, 11))]
)
def test_hashes(oid: str) -> None:
    try:
        kdf.known_hash(oid)
    except LookupError:
        pytest.skip("hashlib lacks it")
    data = writer.archive(*parts(b"import"), mac=characters("import"), form=oid)
    assert opens(data, "import")
    assert kind(data, "other") == "wrong_passphrase"


SHA_1, SHA_384, SHA_512 = (f"1.2.840.113549.2.{number}" for number in (7, 10, 11))
VALID = [
    writer.Pbmac1(),
    writer.Pbmac1(prf=SHA_512),
    writer.Pbmac1(64, SHA_512, SHA_512),
    writer.Pbmac1(20),
    writer.Pbmac1(20, SHA_1, SHA_1),
    writer.Pbmac1(65),
    writer.Pbmac1(1000, SHA_384, SHA_1),
    writer.Pbmac1(prf="2.16.840.1.101.3.4.2.14"),
]


@pytest.mark.parametrize("form", VALID, ids=str)
def test_pbmac1(form: writer.Pbmac1) -> None:
    data = writer.archive(*parts(b"import"), mac=b"import", form=form)
    assert opens(data, "import")
    assert kind(data, "other") == "wrong_passphrase"


REFUSED = [
    writer.Pbmac1(None),
    writer.Pbmac1(0),
    writer.Pbmac1(19),
    writer.Pbmac1(iterations=0),
    writer.Pbmac1(iterations=0, used_iterations=1000),
    writer.Pbmac1(iterations=2000, used_iterations=1000),
    writer.Pbmac1(derivation="1.3.6.1.4.1.11591.4.11"),
    writer.Pbmac1(64, used=32),
]


@pytest.mark.parametrize("form", REFUSED, ids=str)
def test_what_rfc_9579_refuses(form: writer.Pbmac1) -> None:
    data = writer.archive(*parts(b"import"), mac=b"import", form=form)
    assert kind(data, "import") in ("malformed", "unsupported_algorithm")


@pytest.mark.parametrize("form", [writer.Pbmac1(200_000), writer.Pbmac1(iterations=20_000)], ids=str)
def test_bombs_stay_bounded(form: writer.Pbmac1) -> None:
    data = writer.archive(*parts(b"import"), mac=b"import", form=form)
    assert kind(data, "import", max_kdf_iterations=10_000) == "kdf_limit"


def test_negative_length() -> None:
    data = writer.archive(*parts(b"import"), mac=b"import", form=writer.Pbmac1(100))
    negative = data.replace(der.encode_integer(100), der.encode(der.INTEGER, b"\x9c"))
    assert negative != data
    assert kind(negative, "import") == "unsupported_algorithm"


@pytest.mark.parametrize("form", [writer.SHA_256, writer.Pbmac1(), writer.Pbmac1(65)], ids=str)
def test_a_change_of_the_contents_is_refused(form: str | writer.Pbmac1) -> None:
    passphrase = characters("import") if isinstance(form, str) else b"import"
    parts_of_alice = (writer.plain(writer.key_bag(KEY)), writer.plain(CERTIFICATE))
    data = writer.archive(*parts_of_alice, mac=passphrase, form=form)
    changed = data.replace(b"Alice", b"Malic")
    assert changed != data
    assert kind(changed, "import") == "wrong_passphrase"


def test_an_archive_without_mac_keeps_its_contents() -> None:
    data = writer.archive(*parts(b"import"), mac=characters("import"))
    cut = structure.without_mac(data)
    assert der.read(cut).children == der.read(data).children[:2]
    assert structure.without_mac(cut) == cut


@pytest.mark.parametrize("length", [b"\x80", b""])
def test_indefinite_lengths_are_kept(length: bytes) -> None:
    inner = writer.content_info(der.encode_octet_string(b"contents"))
    content = b"\x30\x80" + der.read(inner).content + b"\0\0" if length else inner
    data = b"\x30\x80" + der.encode_integer(3) + content + der.encode_sequence() + b"\0\0"
    cut = der.read(structure.without_mac(data))
    assert len(cut.children) == 2
    assert structure.content_of(cut.child(1)).octets() == b"contents"  # type: ignore[union-attr]


@pytest.mark.parametrize("data", [b"", b"\x30\0", b"\x02\x01\x03", der.encode_sequence(der.encode_integer(3))])
def test_no_archive_to_cut(data: bytes) -> None:
    with pytest.raises(der.DerError):
        structure.without_mac(data)
