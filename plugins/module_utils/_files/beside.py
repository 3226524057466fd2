# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide by the certificate of a file set whether the files beside it stay.

The entry of the certificate lists the SHA-256 fingerprints that count. The entries that depend on it have ``beside``:

- A file with ``beside`` is kept if it holds an encrypted private key: the user may have changed its passphrase.
- An absence with ``beside`` is applied only if the certificate in place is listed. Otherwise the user placed it.
"""

from __future__ import annotations

import hashlib
import os

from ansible_collections.grid.security.plugins.module_utils._credential import key_files
from ansible_collections.grid.security.plugins.module_utils._files.entries import Step
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der

__all__ = ["decide"]


def decide(steps: list[Step]) -> None:
    """Set ``kept`` and ``left`` of the steps that depend on a certificate."""
    is_ours = any(_is_ours(step) for step in steps if step.entry.certificates)
    for step in steps:
        if not step.entry.beside:
            continue
        if step.entry.state == "file":
            step.kept = is_ours and _is_encrypted_key(step)
        else:
            step.left = not is_ours and step.before.kind not in ("absent", "directory")


def _is_ours(step: Step) -> bool:
    """Whether the first certificate in the file, which is the one that clients use, is listed."""
    certificate = certificate_der.first(step.before.content or b"")
    listed = step.entry.certificates or ()
    return certificate is not None and hashlib.sha256(certificate).hexdigest() in listed


def _is_encrypted_key(step: Step) -> bool:
    before, uid = step.before, step.entry.ids[0]
    if before.kind != "file" or before.uid != (uid if uid >= 0 else os.geteuid()):
        return False
    return (
        before.sha256 == step.entry.sha256 or key_files.describe(before.content or b"")["kind"] == key_files.ENCRYPTED
    )
