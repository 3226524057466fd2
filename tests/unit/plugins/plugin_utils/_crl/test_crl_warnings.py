# SPDX-License-Identifier: GPL-3.0-or-later
"""Test warnings about CRLs that could not be fetched or placed."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.plugin_utils._crl import crl_warnings


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ("fresh", "The CRLs in place stay; the first expires on 2027-01-01T00:00:00Z."),
        ("expired", "The CRLs in place have EXPIRED, so clients refuse all certificates of these CAs."),
        ("not_yet_valid", "The CRLs in place are not valid yet"),
        ("damaged", "The files in place are damaged"),
        ("missing", "There are no CRLs in place"),
    ],
)
def test_times_do_not_make_causes_differ(states: str, words: str) -> None:
    problems = [
        crl_warnings.Problem(
            f"ca{month}",
            [(f"http://{month}.example.org/crl", f"has a CRL (number {month} of 2026-0{month}-02T03:04:05Z) older")]
            + [("http://example.org", f"expired on 2026-0{month}-02T03:04:05Z")],
            states,
            {"this_update": "2026-01-01T00:00:00Z", "next_update": f"2027-0{month}-01T00:00:00Z"},
        )
        for month in range(1, 6)
    ]
    (line,) = crl_warnings.lines(problems)
    assert line.startswith(
        "CRLs of 5 CAs (ca1, ca2, ca3, ca4, ca5): 10 URLs of http://1.example.org, http://example.org,"
        f" http://2.example.org and 3 more: has a CRL older; expired. {words}"
    )
    (line,) = crl_warnings.lines(problems[:1])
    assert "(number 1 of 2026-01-02T03:04:05Z)" in line


@pytest.mark.parametrize(("number", "words"), [(1, "The CRL in place stays."), (2, "The CRLs in place stay.")])
def test_crls_that_never_expire(number: int, words: str) -> None:
    known = {"this_update": "2026-01-01T00:00:00Z", "next_update": None}
    problem = crl_warnings.Problem("ca", [("http://example.org", "cannot be fetched")], "fresh", known)
    (line,) = crl_warnings.lines([problem] * number)
    assert line.endswith(f". {words}")
