# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rendered credential comes to, and the rules for putting it in place of another one."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import key_files
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der

__all__ = ["FILES", "contents", "days_left", "fingerprint", "outline", "review"]

FILES = ("certificate", "privatekey", "other_certs")


def outline(rendered: dict[str, Any]) -> dict[str, Any]:
    """Return the result of :func:`rendering.render` with digests and sizes in place of the contents of files.

    ``files`` has the digest and the size of each file by name, ``key`` the public facts of the private key's file
    (:func:`key_files.describe`), and the ``algorithm`` of its certificate. ``chain`` is for :mod:`chain`.
    """
    files = {}
    for name in FILES:
        content = rendered[name].encode()
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    algorithm = certificate_der.key_type(base64.b64decode(rendered["chain"][0]))
    key = {**key_files.describe(rendered["privatekey"].encode()), "algorithm": algorithm}
    return {"files": files, **{name: rendered[name] for name in ("facts", "warnings", "chain")}, "key": key}


def contents(rendered: dict[str, Any]) -> dict[str, str]:
    """The files that :func:`rendering.render` returned: Base64 by SHA-256, as the engine takes them."""
    encoded = [rendered[name].encode() for name in FILES]
    return {hashlib.sha256(content).hexdigest(): base64.b64encode(content).decode() for content in encoded}


def fingerprint(facts: dict[str, str]) -> str:
    """Return the SHA-256 fingerprint in the form that the engine compares: lower case, without colons."""
    return facts["sha256_fingerprint"].replace(":", "").lower()


def days_left(facts: dict[str, str]) -> int:
    """Whole days until the certificate that :func:`certificates.describe` described expires; negative when it has."""
    return times.days_until(times.parse_iso(facts["not_after"]))


def review(facts: dict[str, str], before: dict[str, str] | None, options: dict[str, Any], name: str) -> None:
    """Refuse to put a credential in place that is no good, or worse than the one that is there.

    :param facts: of the new certificate. :param before: of the one in place, if any.
    :raises GridSecurityError: ``expired``, ``not_yet_valid``, ``subject_change`` or ``older``.
    """
    _review_validity(facts, options, name)
    if before is None or before["sha256_fingerprint"] == facts["sha256_fingerprint"]:
        return
    if before["subject"] != facts["subject"] and not options["allow_subject_change"]:
        raise GridSecurityError(
            "subject_change",
            f"{name}: it is for {facts['subject_dn']}, but the certificate in place is for {before['subject_dn']}."
            " If the change of subject is intended, set allow_subject_change: true.",
        )
    if facts["not_before"] < before["not_before"] and not options["allow_older"]:
        raise GridSecurityError(
            "older",
            f"{name}: it is older (issued {facts['not_before'][:10]}) than the certificate in place"
            f" ({before['not_before'][:10]}). To go back to it, set allow_older: true.",
        )


def _review_validity(facts: dict[str, str], options: dict[str, Any], name: str) -> None:
    now = times.now()
    if times.parse_iso(facts["not_after"]) < now and not options["allow_expired"]:
        raise GridSecurityError(
            "expired",
            f"{name}: the certificate expired on {facts['not_after'][:10]}. Ask the authority for a new one, or say"
            " allow_expired: true.",
        )
    if times.parse_iso(facts["not_before"]) > now and not options["allow_not_yet_valid"]:
        raise GridSecurityError(
            "not_yet_valid",
            f"{name}: the certificate is not valid before {facts['not_before']}. Wait until then, check the clock, or"
            " set allow_not_yet_valid: true.",
        )
