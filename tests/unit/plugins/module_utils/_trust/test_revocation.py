# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the search for certificates in CRLs. cryptography writes the CRLs and is the oracle."""

from __future__ import annotations

import datetime
import random
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._trust import revocation
from ansible_collections.grid.security.tests.support import pki

CA = pki.issue("CA", authority=True)
DN = "/DC=org/DC=example/CN=CA"
SERIALS = [1, 127, 128, 255, 256, 0x8000, 2**64 + 5, 2**159 - 1]


def a_list(serials: list[int], *, reason: bool = False, comment: str = "") -> bytes:
    """Return the DER of a CRL. :param comment: makes entries long."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(CA.certificate.subject)
    builder = builder.last_update(pki.NOW).next_update(pki.NOW + pki.DAY)
    for number, serial in enumerate(serials):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(pki.NOW - number * pki.DAY)
        if reason:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        if comment:
            name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, comment)])
            entry = entry.add_extension(x509.CertificateIssuer([x509.DirectoryName(name)]), critical=True)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(CA.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize("reason", [False, True])
@pytest.mark.parametrize("comment", ["", "x" * 64])
def test_each_revoked_serial_is_found_with_its_date(reason: bool, comment: str) -> None:
    encoded = a_list(SERIALS, reason=reason, comment=comment)
    for number, serial in enumerate(SERIALS):
        expected = (pki.NOW - number * pki.DAY).replace(tzinfo=datetime.timezone.utc)
        assert revocation.revoked_on(encoded, serial) == expected
        assert revocation.revoked_on(encoded, serial + 1) is None or serial + 1 in SERIALS


def test_no_other_serial_is_found() -> None:
    chance = random.Random(4711)
    serials = [chance.getrandbits(64) for _serial in range(2000)]
    encoded = a_list(serials)
    listed = x509.load_der_x509_crl(encoded)
    for serial in [*range(0, 300), *(chance.getrandbits(chance.randrange(1, 64)) for _serial in range(2000))]:
        known = listed.get_revoked_certificate_by_serial_number(serial) is not None
        assert (revocation.revoked_on(encoded, serial) is not None) is known


def test_an_empty_list_revokes_nothing() -> None:
    assert revocation.revoked_on(a_list([]), 1) is None
    assert revocation.revoked_on(b"", 1) is None


def store(directory: Path, data: bytes, number: int = 0) -> Path:
    digest = CA.facts.hashes[0]
    path = directory / f"{digest}.r{number}"
    path.write_bytes(data)
    return path


def test_a_directory_is_searched_for_the_right_issuer(tmp_path: Path) -> None:
    path = store(tmp_path, pki.revoke(CA, [5]))
    other = {"issuer_dn": f"{DN} 2", "serial_number": "5"}
    revoked, good = {"issuer_dn": DN, "serial_number": "5"}, {"issuer_dn": DN, "serial_number": "6"}
    found = revocation.revoked(str(tmp_path), [other, good, revoked])
    day = (pki.NOW - pki.DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found == [{**revoked, "revoked_on": day, "file": str(path)}]


def test_the_issuer_may_be_in_another_form(tmp_path: Path) -> None:
    store(tmp_path, pki.revoke(CA, [5]))
    revoked = {"issuer_dn": "DC=org, DC=example, CN=CA", "serial_number": "5"}
    assert [one["issuer_dn"] for one in revocation.revoked(str(tmp_path), [revoked])] == [revoked["issuer_dn"]]
    with pytest.raises(GridSecurityError, match="issuer_dn: 'O=A,CN=CA' does not show"):
        revocation.revoked(str(tmp_path), [{"issuer_dn": "O=A,CN=CA", "serial_number": "5"}])


def test_a_damaged_list_hides_no_other(tmp_path: Path) -> None:
    store(tmp_path, b"rubbish")
    store(tmp_path, pki.revoke(CA, [5]), number=1)
    assert len(revocation.revoked(str(tmp_path), [{"issuer_dn": DN, "serial_number": "5"}])) == 1


def test_a_missing_directory_is_an_error_only_if_something_is_sought(tmp_path: Path) -> None:
    assert revocation.revoked(str(tmp_path / "missing"), []) == []
    with pytest.raises(GridSecurityError):
        revocation.revoked(str(tmp_path / "missing"), [{"issuer_dn": DN, "serial_number": "5"}])


@pytest.mark.parametrize("serial", ["1f5", "1F5", "01:F5", "0001f5"])
def test_forms_of_serial_numbers(tmp_path: Path, serial: str) -> None:
    store(tmp_path, pki.revoke(CA, [0x1F5]))
    assert len(revocation.revoked(str(tmp_path), [{"issuer_dn": DN, "serial_number": serial}])) == 1


@pytest.mark.parametrize("serial", ["", "x", "0x", "5 6"])
def test_what_is_no_serial_number(tmp_path: Path, serial: str) -> None:
    store(tmp_path, pki.revoke(CA, [5]))
    with pytest.raises(GridSecurityError) as caught:
        revocation.revoked(str(tmp_path), [{"issuer_dn": DN, "serial_number": serial}])
    assert caught.value.error_code == "bad_serial_number"


def test_a_certificate_is_told_once_and_by_the_first_list(tmp_path: Path) -> None:
    first = store(tmp_path, pki.revoke(CA, [5]))
    store(tmp_path, pki.revoke(CA, [5]), number=1)
    (found,) = revocation.revoked(str(tmp_path), [{"issuer_dn": DN, "serial_number": "5"}] * 2)
    assert found["file"] == str(first)


def entry(before: bytes, serial: bytes, behind: bytes) -> bytes:
    return b"\xff\xff\xff" + before + serial + behind


TIME = b"\x17\x0d" + b"260102030405Z"
SERIAL = b"\x02\x01\x05"


@pytest.mark.parametrize(
    ("before", "behind", "is_found"),
    [
        (b"\x30\x12", TIME, True),
        (b"\x30\x7f", TIME, True),
        (b"\x30\x80", TIME, False),
        (b"\x31\x12", TIME, False),
        (b"\x30\x81\x90", TIME, True),
        (b"\x30\x82\x90", TIME, False),
        (b"\x31\x81\x90", TIME, False),
        (b"\x30\x12", b"\x17\x0d" + b"260102030405X", False),
        (b"\x30\x12", b"\x04\x0d" + b"260102030405Z", False),
        (b"\x30\x12", b"", False),
        (b"\x30\x12", b"\x17\x0d" + b"2601", False),
    ],
)
def test_what_stands_around_the_serial_number_decides(before: bytes, behind: bytes, is_found: bool) -> None:
    found = revocation.revoked_on(entry(before, SERIAL, behind), 5)
    expected = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    assert found == (expected if is_found else None)


def test_the_serial_number_may_stand_elsewhere_before() -> None:
    data = entry(b"\x31\x12", SERIAL, TIME) + entry(b"\x30\x12", SERIAL, TIME)
    assert revocation.revoked_on(data, 5)
    assert revocation.revoked_on(SERIAL + SERIAL + data, 5)
    assert revocation.revoked_on(entry(b"\x30\x02", b"\x02\x02\x02\x02", TIME), 0x0202)
