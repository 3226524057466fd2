# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the names of algorithms, by comparison with the registers and OpenSSL."""

from __future__ import annotations

import ctypes
import ctypes.util

import pytest

from ansible_collections.grid.security.plugins.module_utils._x509 import algorithm_names

NIST = "2.16.840.1.101.3.4"
REGISTERED = {
    f"{NIST}.1.1": "AES-128-ECB",
    f"{NIST}.1.2": "AES-128-CBC",
    f"{NIST}.1.7": "AES-128-CCM",
    f"{NIST}.1.22": "AES-192-CBC",
    f"{NIST}.1.42": "AES-256-CBC",
    f"{NIST}.1.46": "AES-256-GCM",
    f"{NIST}.4.1": "ML-KEM-512",
    f"{NIST}.4.3": "ML-KEM-1024",
    f"{NIST}.3.17": "ML-DSA-44",
    f"{NIST}.3.19": "ML-DSA-87",
    f"{NIST}.3.20": "SLH-DSA-SHA2-128s",
    f"{NIST}.3.31": "SLH-DSA-SHAKE-256f",
    "1.2.392.200011.61.1.1.1.2": "Camellia-128-CBC",
    f"{NIST}.4.2": "ML-KEM-768",
    f"{NIST}.3.18": "ML-DSA-65",
    "1.2.392.200011.61.1.1.1.3": "Camellia-192-CBC",
    "1.2.410.200046.1.1.7": "ARIA-192-CBC",
    "1.2.392.200011.61.1.1.1.4": "Camellia-256-CBC",
    "1.2.410.200046.1.1.2": "ARIA-128-CBC",
    "1.2.410.200046.1.1.12": "ARIA-256-CBC",
    "1.2.840.113549.1.1.1": "RSA",
    "1.2.840.10045.3.1.1": "secp192r1",
    "1.2.840.10045.3.1.7": "secp256r1",
    "1.3.132.0.34": "secp384r1",
    "1.3.36.3.3.2.8.1.1.1": "brainpoolP160r1",
    "1.3.36.3.3.2.8.1.1.14": "brainpoolP512t1",
}


@pytest.mark.parametrize("oid", REGISTERED)
def test_registered_names(oid: str) -> None:
    assert algorithm_names.name(oid) == REGISTERED[oid]


ARCS = {"1.3.132.0": 40, "1.2.840.10045.3.0": 21, "1.2.840.10045.3.1": 7, "1.3.36.3.3.2.8.1.1": 15}
NOT_LISTED = {f"1.2.840.10045.3.0.{number}" for number in (8, 9, 14, 15)}  # c2onb191v4 and the like


@pytest.mark.parametrize("oid", [f"{arc}.{number}" for arc, most in ARCS.items() for number in range(1, most)])
def test_curves_have_the_names_of_openssl(oid: str) -> None:
    library = ctypes.util.find_library("crypto")
    if library is None:
        pytest.skip("libcrypto is the oracle, and it is missing")
    loaded = ctypes.CDLL(library)
    loaded.OBJ_nid2sn.restype = ctypes.c_char_p
    number = loaded.OBJ_txt2nid(oid.encode())
    expected = loaded.OBJ_nid2sn(number).decode() if number else oid
    if oid == "1.2.840.10045.3.1.1":
        expected = "secp192r1"  # for OpenSSL prime192v1
    assert algorithm_names.name(oid) == (oid if oid in NOT_LISTED else expected)


@pytest.mark.parametrize(
    ("oid", "name"), [("1.2.3", "1.2.3"), ("1." * 31 + "10", None), ("1." * 32 + "1", "1." * 32 + "…")]
)
def test_other_numbers_stay_and_are_short(oid: str, name: str | None) -> None:
    assert algorithm_names.name(oid) == (name or oid)
