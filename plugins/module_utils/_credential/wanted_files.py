# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the file set of a credential for the engine."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import policy
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Summary
from ansible_collections.grid.security.plugins.module_utils._credential.credential import Credential
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions

__all__ = ["file_set", "services"]

Entry = dict[str, Any]


def file_set(credential: Credential) -> dict[str, Any]:
    """Return the file set of a credential. After an error, it has no files, only the services that use them."""
    options = credential.options
    found: dict[str, Any] = {
        "name": options.label,
        "owner": options.owner,
        "directory": options.place,
        "entries": _entries(credential),
    }
    if services(options):
        found.update(services=services(options), watched=list(options.paths.values()))
    return found


def services(options: CredentialOptions) -> list[dict[str, str]]:
    """Return the services that use a credential. No service uses an absent credential."""
    return options.services if options.state == "present" else []


def _entries(credential: Credential) -> list[Entry]:
    options = credential.options
    if credential.error is not None:
        return []
    if options.state == "absent":
        return [{"path": path, "state": "absent", "backup": options.backup} for path in options.paths.values()]
    return _files(options, credential.summary) + _directories(options) if credential.summary else []


def _files(options: CredentialOptions, summary: Summary) -> list[Entry]:
    certificate = {**_file(options, options.cert_path, summary, "certificate"), "observe": True}
    privatekey = _file(options, options.privatekey_path, summary, "privatekey")
    privatekey.update(mode=options.privatekey_mode, secret=True, privatekey=True)
    if options.update_passphrase == "on_create" and options.encrypt_privatekey:
        certificate["certificates"] = [policy.fingerprint(summary.facts)]
        privatekey["beside"] = True
    if not options.other_certs_path:
        return [certificate, privatekey]
    return [certificate, privatekey, _file(options, options.other_certs_path, summary, "other_certs")]


def _file(options: CredentialOptions, path: str, summary: Summary, name: str) -> Entry:
    return {
        "path": path,
        "state": "file",
        **summary.files[name],
        "mode": options.cert_mode,
        "group": options.group,
        "backup": options.backup,
    }


def _directories(options: CredentialOptions) -> list[Entry]:
    """Return the directories. The directory keeps its mode unless it is ``~/.globus``: it may be /etc/grid-security."""
    mode = options.directory_mode
    if not options.directory:
        return [{"path": ".", "state": "directory", "mode": mode or "0700"}]
    above = [] if options.directory.startswith("~") else [{"path": "..", "initial_mode": "0755"}]
    return [{"state": "directory", **entry} for entry in [*above, {"path": ".", "initial_mode": mode}]]
