# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the messages about certificates that cryptography does not read."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_faults, der, safe_x509
from ansible_collections.grid.security.tests.support import pki

ALICE = pki.issue("Alice")
DER = ALICE.facts.der
START, END = der.encode(der.UTC_TIME, b"200101000000Z"), der.encode(der.UTC_TIME, b"490101000000Z")


def found(data: bytes) -> str:
    """Return the message about a refused certificate."""
    fault = certificate_faults.find(data)
    assert fault
    assert fault[0] == "malformed"
    return fault[1]


def test_a_good_certificate_has_no_fault() -> None:
    assert certificate_faults.find(DER) is None
    assert certificate_faults.find(ALICE.pem) is None


@pytest.fixture(name="strict")
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """cryptography refuses all certificates. Which it refuses depends on its version."""

    def refuse(_data: bytes) -> None:
        raise safe_x509.CertificateError("refused")

    monkeypatch.setattr(safe_x509, "load", refuse)


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        (der.encode(der.UTC_TIME, b"2001010000Z"), END, "its notBefore is '2001010000Z', and the form of a UTCTime is"),
        (
            START,
            der.encode(der.UTC_TIME, b"490101000000+0100"),
            "its notAfter is '490101000000+0100', and the form of a",
        ),
        (START, der.encode(der.GENERALIZED_TIME, b"49010100Z"), "the form of a GeneralizedTime is YYYYMMDDhhmmssZ"),
        (START, der.encode(der.UTC_TIME, b"491301000000Z"), "its notAfter is 491301000000Z, and there is no such time"),
        (START, der.encode_integer(7), "its notAfter is no time"),
    ],
)
def test_times(start: bytes, end: bytes, words: str) -> None:
    data = pki.altered(ALICE, validity=der.encode_sequence(start, end))
    sentence = found(data)
    assert words in sentence
    assert "the certificate of /DC=org/DC=example/CN=Alice" in sentence


@pytest.mark.usefixtures("strict")
def test_the_first_fault_is_told() -> None:
    one = der.encode(der.UTC_TIME, b"2001010000Z")
    assert "notBefore" in found(pki.altered(ALICE, validity=der.encode_sequence(one, one)))


def test_a_certificate_of_version_1() -> None:
    one = pki.version_1(ALICE).facts.der
    assert certificate_faults.find(one) is None
    sentence = found(one.replace(b"\x17\x0d", b"\x04\x0d", 1))
    assert "its notBefore is no time" in sentence
    assert "CN=Alice" in sentence


@pytest.mark.parametrize(
    "data",
    [b"", b"rubbish", DER[:100], der.encode_sequence(der.encode_sequence())],
    ids=["nothing", "rubbish", "truncated", "empty"],
)
def test_damaged_ones_have_no_name(data: bytes) -> None:
    sentence = found(data)
    assert "one of its certificates: it is damaged" in sentence


@pytest.mark.usefixtures("strict")
def test_long_texts_are_cut() -> None:
    time = der.encode(der.UTC_TIME, b"9" * 400)
    sentence = found(pki.altered(ALICE, validity=der.encode_sequence(time, END)))
    assert "9" * 300 + "…" in sentence
    assert "9" * 301 not in sentence
    time = der.encode(der.UTC_TIME, b"9" * 300)
    assert "9" * 300 + "'" in found(pki.altered(ALICE, validity=der.encode_sequence(time, END)))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ('ParseError { kind: X, location: ["Certificate::tbs_cert", "TbsCertificate::serial"] }', "the serial number"),
        ('ParseError { kind: X, location: ["TbsCertificate::spki"] }', "its public key"),
        ('ParseError { kind: X, location: ["Odd::thing", "other"] }', "the field 'thing.other"),
        ("ParseError { kind: X }", "one of its fields"),
        ("Some words.", "Some words"),
    ],
)
def test_words_of_cryptography(monkeypatch: pytest.MonkeyPatch, words: str, expected: str) -> None:
    def refuse(_data: bytes) -> None:
        raise safe_x509.CertificateError(words)

    monkeypatch.setattr(safe_x509, "load", refuse)
    sentence = found(DER)
    assert expected.replace("'", "") in sentence.replace("'", "")
    assert ".." not in sentence
    assert "ParseError" not in sentence
