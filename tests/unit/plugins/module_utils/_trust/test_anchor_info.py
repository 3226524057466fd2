# SPDX-License-Identifier: GPL-3.0-or-later
"""Test the CRL URLs that the files of a CA give."""

from __future__ import annotations

import pytest

from ansible_collections.grid.security.plugins.module_utils._trust import anchor_info


@pytest.mark.parametrize(
    ("info", "crl_url", "expected"),
    [
        (b"", b"", []),
        (b"alias = one\n", b"# none\n\n", []),
        (b"", b"http://a/1\n  https://b/1  # mirror\n", [["http://a/1", "https://b/1"]]),
        (b"crl_url = http://a/1\n", b"http://b/1\n", [["http://a/1"]]),
        (b"alias = one\n", b"http://b/1\n", [["http://b/1"]]),
        (b"crl_url = http://a/1; http://b/1 ;\n", b"", [["http://a/1", "http://b/1"]]),
        (
            b"crl_url.0=http://a/0\ncrl_url.1=http://a/1;\\\n http://b/1\n",
            b"",
            [["http://a/0"], ["http://a/1", "http://b/1"]],
        ),
        (b"crl_url.1 = http://a/1\n", b"", []),
        (b"#crl_url = http://a/1\n", b"", []),
        (b"crl_url =\n", b"http://b/1", [["http://b/1"]]),
    ],
)
def test_urls(info: bytes, crl_url: bytes, expected: list[list[str]]) -> None:
    assert anchor_info.crl_urls(info, crl_url) == expected
