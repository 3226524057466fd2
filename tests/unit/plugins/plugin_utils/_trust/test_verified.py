# SPDX-License-Identifier: GPL-3.0-or-later
"""Checksums, and the limits of what is fetched. Signatures are tested in test_gpg.py."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._trust import bounded_fetch, verified

DATA = b"release"
DIGESTS = {name: hashlib.new(name, DATA).hexdigest() for name in ("sha256", "sha512", "sha1")}


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_good_checksums_in_either_case(name: str) -> None:
    for digest in (DIGESTS[name], DIGESTS[name].upper()):
        verified.check_checksum(DATA, f"{name}:{digest}", "release.tar.gz")


@pytest.mark.parametrize(
    "checksum",
    [
        f"sha256:{DIGESTS['sha512']}",
        f"sha512:{DIGESTS['sha256']}",
        f"sha256:{DIGESTS['sha256'][:-1]}",
        f"sha256:{DIGESTS['sha256']}0",
        f"sha1:{DIGESTS['sha1']}",
        f"SHA256:{DIGESTS['sha256']}",
        f" sha256:{DIGESTS['sha256']}",
        DIGESTS["sha256"],
        "sha256:",
        "",
    ],
)
def test_other_checksums_are_refused(checksum: str) -> None:
    with pytest.raises(GridSecurityError, match="^release.tar.gz: ") as caught:
        verified.check_checksum(DATA, checksum, "release.tar.gz")
    assert caught.value.error_code == "bad_checksum"


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_the_actual_checksum_is_told(name: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        verified.check_checksum(DATA, f"{name}:{DIGESTS[name][::-1]}", "release.tar.gz")
    assert f"its {name} is {DIGESTS[name]}" in caught.value.message


def test_fetches_are_by_https_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fetch(*arguments: Any, **named: Any) -> bytes:
        asked.append((arguments, named))
        return DATA

    monkeypatch.setattr(bounded_fetch, "fetch", fetch)
    assert verified.fetch("https://example.org/") == DATA
    assert asked == [(("https://example.org/", 64 << 20, 120), {"https_only": True})]


@pytest.mark.parametrize("code", ["not_fetched", "not_https", "too_large"])
def test_errors_of_fetches_name_the_url(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    def fetch(*_arguments: Any, **_named: Any) -> bytes:
        raise bounded_fetch.FetchError("is gone", code)

    monkeypatch.setattr(bounded_fetch, "fetch", fetch)
    with pytest.raises(GridSecurityError, match=r"^https://example\.org/ is gone\. ") as caught:
        verified.fetch("https://example.org/")
    assert caught.value.error_code == code
