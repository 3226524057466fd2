# SPDX-License-Identifier: GPL-3.0-or-later
"""Test conversions in memory, and their summaries."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.converter import (
    FILES,
    Conversion,
    Converter,
    Source,
    Summary,
)
from ansible_collections.grid.security.tests.support import conversions, pki

OWN = {"passphrase": "import", "privatekey_passphrase": "store", "kdf_iterations": 1000}


@pytest.fixture(name="opened")
def _opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    opened: list[str] = []
    run_all = sandbox.run_all

    def counted(jobs: list[sandbox.Job]) -> Any:
        opened.extend(job.name for job in jobs)
        return run_all(jobs)

    monkeypatch.setattr(sandbox, "run_all", counted)
    return opened


def source(data: bytes, **changes: Any) -> Source:
    return conversions.source(data, {**OWN, **changes}, "alice.p12")


def test_each_source_is_converted_once(opened: list[str]) -> None:
    converter, alice = Converter(), source(pki.issue().archive())
    (summary,) = converter.summaries([alice]).values()
    (conversion,) = converter.conversions([alice]).values()
    assert isinstance(conversion, Conversion)
    assert conversion.summary() == summary
    assert opened == ["alice.p12"]


def test_two_sources_of_the_same_files_have_results_of_their_own(opened: list[str]) -> None:
    data = pki.issue().archive()
    found = Converter().summaries([source(data), source(data, passphrase="wrong")])
    first, second = found.values()
    assert isinstance(first, Summary)
    assert isinstance(second, GridSecurityError)
    assert second.error_code == "wrong_passphrase"
    assert len(opened) == 2


def test_a_summary_has_the_digests_of_the_contents() -> None:
    (conversion,) = Converter().conversions([source(pki.issue().archive())]).values()
    assert isinstance(conversion, Conversion)
    summary, contents = conversion.summary(), conversion.contents()
    for name in FILES:
        content = getattr(conversion, name).encode()
        digest = hashlib.sha256(content).hexdigest()
        assert summary.files[name] == {"sha256": digest, "size": len(content)}
        assert base64.b64decode(contents[digest]) == content
    assert "PRIVATE KEY" not in str(vars(summary))
    assert "PRIVATE KEY" not in repr(conversion)
