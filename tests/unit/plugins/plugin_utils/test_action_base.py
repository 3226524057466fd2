# SPDX-License-Identifier: GPL-3.0-or-later
"""What all actions have in common."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.vault import VaultLib, VaultSecret

from ansible_collections.grid.security.plugins.module_utils import credentials as options_of
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import credentials
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction, validated


class Action(GridAction):
    """An action that finds every file where it is."""

    def __init__(self, vault: VaultLib) -> None:
        self._loader = SimpleNamespace(_vault=vault)

    def _find_needle(self, _directory: str, src: str) -> str:
        return src


def test_vaulted_files_are_decrypted_in_memory(tmp_path: Path) -> None:
    vault = VaultLib([("default", VaultSecret(b"secret"))])
    path = tmp_path / "alice.p12"
    path.write_bytes(vault.encrypt(b"\x30\x00archive"))
    assert Action(vault).read(str(path)) == b"\x30\x00archive"
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT")


@pytest.mark.parametrize("passphrase", ["xyzzy", "xy\"zz'y\\é"])
@pytest.mark.parametrize("option", ["kdf_iterations", "privatekey_format", "include_chain"])
def test_what_is_wrong_is_said_without_the_passphrase(passphrase: str, option: str) -> None:
    arguments: dict[str, Any] = {"passphrase": passphrase, option: passphrase}
    with pytest.raises(AnsibleActionFail, match=option) as caught:
        validated(options_of.OPTIONS, arguments, "credentials[0]: ")
    assert "xy" not in str(caught.value)


@pytest.mark.parametrize("content", ["no base64", "é", "half \ud83d", "A"])
def test_content_that_is_no_text_form_of_anything(content: str) -> None:
    with pytest.raises(GridSecurityError) as caught:
        credentials._read(Action(VaultLib()), None, content, "content")
    assert caught.value.kind == "not_base64"
