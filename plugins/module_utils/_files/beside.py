# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide by the certificate of a file set whether the files beside it stay.

The entry of the certificate lists the SHA-256 fingerprints that count. The entries that depend on it have ``beside``:

- A file with ``beside`` is kept if it holds an encrypted private key: the user may have changed its passphrase.
- An absence with ``beside`` is applied only if the certificate in place is listed. Otherwise the user placed it.
"""

from __future__ import annotations

import os

from ansible_collections.grid.security.plugins.module_utils._files.entries import Step
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors

__all__ = ["decide"]


def decide(steps: list[Step], inspectors: Inspectors) -> None:
    """Set ``kept`` and ``left`` of the steps that depend on a certificate."""
    is_listed = any(_is_listed(step, inspectors) for step in steps if step.entry.certificates)
    for step in steps:
        if not step.entry.beside:
            continue
        if step.entry.state == "file":
            step.kept = is_listed and _is_encrypted_key(step, inspectors)
        else:
            step.left = not is_listed and step.before.kind not in ("absent", "directory")


def _is_listed(step: Step, inspectors: Inspectors) -> bool:
    return inspectors.fingerprint(step.before.content or b"") in (step.entry.certificates or ())


def _is_encrypted_key(step: Step, inspectors: Inspectors) -> bool:
    before, uid = step.before, step.entry.uid
    if before.kind != "file" or before.uid != (uid if uid >= 0 else os.geteuid()):
        return False
    return before.sha256 == step.entry.sha256 or inspectors.is_encrypted_key(before.content or b"")
