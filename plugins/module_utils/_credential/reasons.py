# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say why a file of a credential changes.

Each reason has two forms: one for a run, which has changed the file, and one for check mode, which found a difference.
"""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import key_files
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der

__all__ = ["of_certificate", "of_file", "of_privatekey"]

# The engine's words for a change, and the words for check mode.
_FOUND = {
    "created": "missing",
    "removed": "still there",
    "content replaced": "content differs",
    "replaced a symbolic link": "is a symbolic link",
    "replaced a special file": "is a special file",
    "owner corrected": "wrong owner",
    "group corrected": "wrong group",
    "SELinux label corrected": "wrong SELinux label",
    "leftover of an interrupted run cleared": "leftover of an interrupted run",
}


def of_file(path: str, change: str, check: bool) -> str:
    """Return the reason for any file. :param change: in the engine's words."""
    return f"{os.path.basename(path)}: {_FOUND.get(change, change) if check else change}"


def of_certificate(facts: dict[str, str], before: dict[str, str] | None, check: bool) -> str:
    """Return the reason for a certificate whose file differs.

    :param before: the facts of the certificate in place; None if its file is missing or damaged.
    """
    if before is None:
        return "certificate damaged" if check else f"certificate installed, valid until {facts['not_after'][:10]}"
    if before["sha256_fingerprint"] == facts["sha256_fingerprint"]:
        return "certificate file differs" if check else "certificate file rewritten"
    if before["subject"] != facts["subject"]:
        return f"subject {'differs' if check else 'changed'}: {before['subject_dn']} → {facts['subject_dn']}"
    dates = f"{before['not_after'][:10]} → {facts['not_after'][:10]}"
    return f"certificate {'to be renewed' if check else 'renewed'}: {dates}"


def of_privatekey(wanted: dict[str, Any], found: Any, same_certificate: bool, check: bool) -> str:
    """Return the reason for a private key whose file differs.

    :param wanted: :func:`key_files.describe` of the file that the run places, with ``algorithm`` of the certificate.
    :param found: the same of the file in place. The node sent it, so it may have any form.
    :param same_certificate: whether the certificate in place is the one that the key belongs to.
    """
    found = found if isinstance(found, dict) else {}
    kind = found.get("kind")
    if kind == key_files.PLAIN and wanted.get("kind") == key_files.ENCRYPTED:
        return f"private key {'is' if check else 'was'} unencrypted"
    if kind in (key_files.NONE, key_files.DAMAGED):
        return f"private key {'is' if check else 'was'} missing or damaged"
    if "salt" in wanted and _protection(wanted) == _protection(found):
        return f"passphrase {'differs' if check else 'changed'}"
    if same_certificate and kind == key_files.PLAIN and _is_no_pss_key(wanted, found):
        form = "is no RSA-PSS key" if check else "rewritten as an RSA-PSS key"
        return f"private key {form}, as its certificate requires"
    if not same_certificate or kind != key_files.ENCRYPTED:
        return f"private key {'differs' if check else 'replaced'}"
    if wanted.get("kind") == key_files.PLAIN:
        return f"private key {'is' if check else 'was'} encrypted"
    return _of_protection(wanted, found, check)


def _is_no_pss_key(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    """Return whether an unencrypted key lacks the form that its RSA-PSS certificate requires."""
    return _is_pss(wanted) and found.get("algorithm") == key_files.RSA


def _is_pss(facts: dict[str, Any]) -> bool:
    return facts.get("algorithm") == certificate_der.RSA_PSS


def _protection(facts: dict[str, Any]) -> tuple[Any, Any]:
    return facts.get("salt"), facts.get("iterations")


def _of_protection(wanted: dict[str, Any], found: dict[str, Any], check: bool) -> str:
    before, after = found.get("iterations"), wanted.get("iterations")
    if not isinstance(before, int) or isinstance(before, bool) or not 0 < before < key_files.MOST_ITERATIONS:
        return f"private key {'is' if check else 'was'} encrypted in another form"
    how = "other salt" if before == after else f"{before} → {after} iterations"
    if before == after and _is_pss(wanted):  # release 0.1.0 stored ordinary RSA keys. Only the salt shows it
        how += ", or no RSA-PSS key" if check else ", now as an RSA-PSS key"
    return f"protection {'differs' if check else 'renewed'} ({how})"
