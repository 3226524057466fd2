# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the options of a credential: the specification for Ansible, and the values."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["LIST_OPTIONS", "OPTIONS", "PATHS", "CredentialOptions"]

UPDATE_PASSPHRASE = ["always", "on_create"]

OPTIONS: dict[str, dict[str, Any]] = {
    "src": {"type": "path"},
    "content": {"type": "str", "no_log": True},
    "privatekey_src": {"type": "path", "no_log": False},
    "privatekey_content": {"type": "str", "no_log": True},
    "remote_src": {"type": "bool", "default": False},
    "friendly_name": {"type": "str"},
    "passphrase": {"type": "str", "no_log": True},
    "privatekey_passphrase": {"type": "str", "no_log": True},
    "encrypt_privatekey": {"type": "bool", "default": True},
    "update_passphrase": {"type": "str", "choices": UPDATE_PASSPHRASE, "default": "always", "no_log": False},
    "privatekey_format": {"type": "str", "choices": ["pkcs8", "traditional"], "default": "pkcs8"},
    "kdf_iterations": {"type": "int", "default": 600000},
    "max_kdf_iterations": {"type": "int", "default": 10000000},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "directory": {"type": "str"},
    "directory_mode": {"type": "raw"},
    "cert_path": {"type": "str", "default": "usercert.pem"},
    "privatekey_path": {"type": "str", "default": "userkey.pem", "no_log": False},
    "other_certs_path": {"type": "str"},
    "include_chain": {"type": "bool", "default": False},
    "cert_mode": {"type": "raw", "default": "0600"},
    "privatekey_mode": {"type": "raw", "default": "0600", "no_log": False},
    "backup": {"type": "bool", "default": False},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "allow_expired": {"type": "bool", "default": False},
    "allow_not_yet_valid": {"type": "bool", "default": False},
    "allow_older": {"type": "bool", "default": False},
    "allow_subject_change": {"type": "bool", "default": False},
    "subject_dn": {"type": "raw"},
    "allow_shared_subject": {"type": "bool", "default": False},
    "create_account": {"type": "bool", "default": False},
    "account_shell": {"type": "str"},
    "account_group": {"type": "str"},
    "account_base_dir": {"type": "path"},
    "dns_name": {"type": "str"},
    "check_privatekey": {"type": "bool", "default": False},
    "services": {"type": "list", "elements": "raw", "default": []},
    "trust_anchors": {"type": "list", "elements": "raw"},
    "trust_anchors_profiles": {"type": "list", "elements": "str", "default": []},
    "trust_anchors_include": {"type": "list", "elements": "str", "default": []},
    "trust_anchors_exclude": {"type": "list", "elements": "str", "default": []},
    "trust_anchors_exclude_expired": {"type": "bool", "default": False},
    "check_chain": {"type": "bool", "default": True},
}
PATHS = ("cert_path", "privatekey_path", "other_certs_path")

# The options of the list as a whole. They are beside ``credentials``.
LIST_OPTIONS: dict[str, dict[str, Any]] = {
    "record": {"type": "str", "default": ""},
    "purge": {"type": "bool", "default": False},
    "allow_shrink": {"type": "bool", "default": False},
}


@dataclass(frozen=True, eq=False, repr=False)  # the values are secrets; no two credentials are equal
class CredentialOptions:
    """The values of all options of one credential.

    :ivar trust_anchors: the CAs that may have issued the certificate: a ``TrustedCas`` on the controller, a list with a
        key on a node, and None if the chain is not checked.
    :ivar error: the mistake in the options, if they cannot be used. Of all other values, only ``owner`` is known then.
    :ivar label: the name of the credential in messages: its archive, or the owner of a credential to remove.
    """

    src: str | None
    content: str | None
    privatekey_src: str | None
    privatekey_content: str | None
    remote_src: bool
    friendly_name: str | None
    passphrase: str | None
    privatekey_passphrase: str | None
    encrypt_privatekey: bool
    update_passphrase: str
    privatekey_format: str
    kdf_iterations: int
    max_kdf_iterations: int
    owner: str | None
    group: str | None
    directory: str | None
    directory_mode: Any
    cert_path: str
    privatekey_path: str
    other_certs_path: str | None
    include_chain: bool
    cert_mode: Any
    privatekey_mode: Any
    backup: bool
    state: str
    allow_expired: bool
    allow_not_yet_valid: bool
    allow_older: bool
    allow_subject_change: bool
    subject_dn: str | list[str] | None
    allow_shared_subject: bool
    create_account: bool
    account_shell: str | None
    account_group: str | None
    account_base_dir: str | None
    dns_name: str | None
    check_privatekey: bool
    services: list[dict[str, str]]
    trust_anchors: Any
    trust_anchors_profiles: list[str]
    trust_anchors_include: list[str]
    trust_anchors_exclude: list[str]
    trust_anchors_exclude_expired: bool
    check_chain: bool
    error: GridSecurityError | None = None
    label: str = field(init=False)

    def __post_init__(self) -> None:
        owner = f" for {self.owner}" if self.owner else ""
        archive = os.path.basename(self.src) if self.src else "content"
        label = archive if self.state == "present" else "credential"
        object.__setattr__(self, "label", label + owner)  # the options are frozen

    @classmethod
    def of(cls, values: dict[str, Any]) -> CredentialOptions:
        """Return the options. :param values: of all options. Other values are ignored."""
        return cls(**{name: values[name] for name in OPTIONS})

    @classmethod
    def unusable(cls, owner: str | None, error: GridSecurityError) -> CredentialOptions:
        """Return the options of a credential with a mistake in its options."""
        defaults: dict[str, Any] = {name: option.get("default") for name, option in OPTIONS.items()}
        return cls(**{**defaults, "owner": owner, "error": error})

    def values(self) -> dict[str, Any]:
        """Return the values by name."""
        return {name: getattr(self, name) for name in OPTIONS}

    @property
    def place(self) -> str:
        """Return the directory of the files. A node expands ``~``."""
        return self.directory or f"~{self.owner or ''}/.globus"

    @property
    def paths(self) -> dict[str, str]:
        """Return the paths of the files, by option."""
        given = {name: getattr(self, name) for name in PATHS}
        return {name: path for name, path in given.items() if path}
