# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declare which variable of a role sets which option of its module, and the defaults of these variables.

The module ``node`` and the messages of all modules use this table. The tasks and defaults of the roles say the same in
YAML. A run does not read these files, because loading YAML is slow. A unit test compares them with this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ROLES", "Role", "Variable", "variables"]


@dataclass(frozen=True)
class Variable:
    """A variable that sets an option.

    :param template: the value of the option. If empty, the option has the value of the variable.
    """

    name: str
    template: str = ""

    @property
    def value(self) -> str:
        """Return the template that the role's task gives the option."""
        return self.template or f"{{{{ {self.name} }}}}"


@dataclass(frozen=True)
class Role:
    """The interface of a role.

    :param options: the variable, or the constant, of each option of the role's module.
    :param defaults: the default of each variable that has a default. A text with ``{{`` is a template.
    """

    options: Mapping[str, Any]
    defaults: Mapping[str, Any]

    def arguments(self) -> dict[str, Any]:
        """Return the options as the role's task has them: templates and constants."""
        return {name: set_by.value if isinstance(set_by, Variable) else set_by for name, set_by in self.options.items()}


def variables(role: str) -> dict[str, str]:
    """Return the variable behind each option of the role's module; empty for a role without options."""
    options = ROLES[role].options if role in ROLES else {}
    return {name: set_by.name for name, set_by in options.items() if isinstance(set_by, Variable)}


def _own(role: str, *options: str) -> dict[str, Variable]:
    """Return variables that are named after the role and the option."""
    return {option: Variable(f"{role}_{option}") for option in options}


def _optional(name: str) -> Variable:
    """Return a variable whose option is left out if the variable is empty."""
    return Variable(name, f"{{{{ {name} or omit }}}}")


# The variables of the role trust_anchors that three other roles use.
_TRUST_ANCHORS = {
    "trust_anchors": Variable("trust_anchors_sources"),
    **{
        name: Variable(name)
        for name in (
            "trust_anchors_profiles",
            "trust_anchors_include",
            "trust_anchors_exclude",
            "trust_anchors_exclude_expired",
        )
    },
}
_TRUST_ANCHORS_DEFAULTS: dict[str, Any] = {
    "trust_anchors_sources": [],
    "trust_anchors_profiles": [],
    "trust_anchors_include": [],
    "trust_anchors_exclude": [],
    "trust_anchors_exclude_expired": False,
}

_OF_TRUST_DIRECTORY = ("sources", "path", "profiles", "include", "exclude", "exclude_expired", "on_unreadable")

ROLES = {
    "trust_anchors": Role(
        options={
            **_own(
                "trust_anchors",
                *_OF_TRUST_DIRECTORY,
                "purge",
                "allow_shrink",
                "system_store",
                "accounts",
            ),
            "bundle_path": _optional("trust_anchors_bundle_path"),
            "java_truststore_path": _optional("trust_anchors_java_truststore_path"),
        },
        defaults={
            **_TRUST_ANCHORS_DEFAULTS,
            "trust_anchors_path": "/etc/grid-security/certificates",
            "trust_anchors_on_unreadable": "fail",
            "trust_anchors_purge": True,
            "trust_anchors_allow_shrink": False,
            "trust_anchors_bundle_path": None,
            "trust_anchors_java_truststore_path": None,
            "trust_anchors_system_store": False,
            "trust_anchors_accounts": (
                "{{ user_credentials | default([]) | map(attribute='owner', default='') | select | unique | list }}"
            ),
        },
    ),
    "crl_updates": Role(
        options={
            **_own(
                "crl_updates",
                *_OF_TRUST_DIRECTORY,
                "timeout",
                "parallelism",
                "validate_certs",
                "allow_older",
                "remove_expired",
                "required",
            ),
            "http_proxy": Variable("crl_updates_http_proxy", "{{ crl_updates_http_proxy | default(omit, true) }}"),
        },
        defaults={
            "crl_updates_source": "node",
            "crl_updates_path": "{{ trust_anchors_path | default('/etc/grid-security/certificates') }}",
            "crl_updates_http_proxy": None,
            "crl_updates_timeout": 30,
            "crl_updates_parallelism": 10,
            "crl_updates_required": False,
            "crl_updates_remove_expired": False,
            "crl_updates_aging_tolerance": 24,
            "crl_updates_random_wait": 300,
            "crl_updates_settings": {},
            "crl_updates_sources": "{{ trust_anchors_sources | default([]) }}",
            "crl_updates_profiles": "{{ trust_anchors_profiles | default([]) }}",
            "crl_updates_include": "{{ trust_anchors_include | default([]) }}",
            "crl_updates_exclude": "{{ trust_anchors_exclude | default([]) }}",
            "crl_updates_exclude_expired": "{{ trust_anchors_exclude_expired | default(false) }}",
            "crl_updates_on_unreadable": "{{ trust_anchors_on_unreadable | default('fail') }}",
            "crl_updates_validate_certs": True,
            "crl_updates_allow_older": False,
            "crl_updates_verify_hours_left": 0,
        },
    ),
    "voms_client": Role(
        options={
            **_own("voms_client", "vos", "vomses_path", "vomsdir_path", "purge", "allow_shrink"),
            "import_vomses": _optional("voms_client_import_vomses"),
            "import_vomsdir": _optional("voms_client_import_vomsdir"),
            "import_vos": Variable(
                "voms_client_import_vos", "{{ omit if voms_client_import_vos is none else voms_client_import_vos }}"
            ),
        },
        defaults={
            "voms_client_vos": [],
            "voms_client_vomses_path": "/etc/vomses",
            "voms_client_vomsdir_path": "/etc/grid-security/vomsdir",
            "voms_client_import_vomses": None,
            "voms_client_import_vomsdir": None,
            "voms_client_import_vos": None,
            "voms_client_purge": False,
            "voms_client_allow_shrink": False,
        },
    ),
    "host_credential": Role(
        options={
            **_own(
                "host_credential",
                "src",
                "remote_src",
                "include_chain",
                "privatekey_format",
                "directory",
                "backup",
                "allow_expired",
                "allow_not_yet_valid",
                "allow_older",
                "allow_subject_change",
                "services",
                "check_chain",
            ),
            "privatekey_src": _optional("host_credential_privatekey_src"),
            "friendly_name": _optional("host_credential_friendly_name"),
            "passphrase": _optional("host_credential_passphrase"),
            "dns_name": _optional("host_credential_dns_name"),
            "credentials": Variable("host_credential_copies", "{{ [{}] + host_credential_copies }}"),
            **_TRUST_ANCHORS,
            "encrypt_privatekey": False,
            "directory_mode": "0755",
            "cert_path": "hostcert.pem",
            "cert_mode": "0644",
            "privatekey_path": "hostkey.pem",
            "privatekey_mode": "0400",
            "allow_shared_subject": True,
        },
        defaults={
            **_TRUST_ANCHORS_DEFAULTS,
            "host_credential_privatekey_src": None,
            "host_credential_remote_src": False,
            "host_credential_friendly_name": None,
            "host_credential_passphrase": None,
            "host_credential_dns_name": None,
            "host_credential_include_chain": False,
            "host_credential_privatekey_format": "pkcs8",
            "host_credential_directory": "/etc/grid-security",
            "host_credential_copies": [],
            "host_credential_services": [],
            "host_credential_backup": False,
            "host_credential_allow_expired": False,
            "host_credential_allow_not_yet_valid": False,
            "host_credential_allow_older": False,
            "host_credential_allow_subject_change": False,
            "host_credential_check_chain": True,
            "host_credential_verify_days_left": 0,
        },
    ),
    "user_credentials": Role(
        options={
            **_own("user_credentials", "update_passphrase", "record", "purge", "allow_shrink", "check_chain"),
            "credentials": Variable("user_credentials"),
            "create_account": Variable("user_credentials_create_accounts"),
            "account_shell": _optional("user_credentials_account_shell"),
            "account_group": _optional("user_credentials_account_group"),
            "account_base_dir": _optional("user_credentials_account_base_dir"),
            **_TRUST_ANCHORS,
        },
        defaults={
            **_TRUST_ANCHORS_DEFAULTS,
            "user_credentials": [],
            "user_credentials_update_passphrase": "always",
            "user_credentials_purge": False,
            "user_credentials_allow_shrink": False,
            "user_credentials_record": "/var/lib/grid-security/user_credentials.json",
            "user_credentials_create_accounts": False,
            "user_credentials_account_shell": None,
            "user_credentials_account_group": None,
            "user_credentials_account_base_dir": None,
            "user_credentials_check_chain": True,
            "user_credentials_verify_days_left": 0,
        },
    ),
    "grid_mapfile": Role(
        options={
            **_own("grid_mapfile", "path", "mode", "credentials", "entries", "allow_empty", "check_chain"),
            **_TRUST_ANCHORS,
        },
        defaults={
            **_TRUST_ANCHORS_DEFAULTS,
            "grid_mapfile_path": "/etc/grid-security/grid-mapfile",
            "grid_mapfile_mode": "0644",
            "grid_mapfile_credentials": "{{ user_credentials | default([]) }}",
            "grid_mapfile_entries": [],
            "grid_mapfile_allow_empty": False,
            "grid_mapfile_check_chain": "{{ user_credentials_check_chain | default(true) }}",
        },
    ),
}
