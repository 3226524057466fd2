# SPDX-License-Identifier: GPL-3.0-or-later
"""Test archives that are vaulted as whole files."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.grid.security.tests.support import pki


@pytest.mark.parametrize("password", ["right", "wrong"])
def test_vaulted_archive(site: Any, password: str) -> None:
    archive = VaultLib([("default", VaultSecret(b"right"))]).encrypt(pki.issue().archive())
    (site.root / "alice.p12").write_bytes(archive)
    (site.root / "password").write_text(password)
    home = site.root / "home"
    arguments = {"src": "alice.p12", "directory": str(home), "passphrase": "import", "privatekey_passphrase": "store"}
    output = site.play(
        [{"grid.security.pkcs12_pem": arguments}], ANSIBLE_VAULT_PASSWORD_FILE=str(site.root / "password")
    )
    assert (output.returncode == 0) is (password == "right"), output.stdout
    assert (home / "userkey.pem").exists() is (password == "right")
    if password == "wrong":
        assert "alice.p12 cannot be decrypted on the controller: Decryption failed" in output.stdout
        assert "Traceback" not in output.stdout + output.stderr
