# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that came from elsewhere: fetched over https, checked against a checksum and a detached GPG signature."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import subprocess
import tempfile
import urllib.error
from typing import Any

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

__all__ = ["check_checksum", "check_signature", "fetch"]

_LARGEST = 64 << 20  # bytes
_TIMEOUT = 60  # seconds
_CHECKSUM = re.compile(r"(sha256|sha512):([0-9a-fA-F]+)")


def fetch(url: str) -> bytes:
    """What ``url`` (https only) answers.

    :raises GridSecurityError: ``not_https``, ``not_fetched`` or ``too_large``.
    """
    # Most runs fetch nothing, and this import alone takes as long as all others.
    # pylint: disable-next=import-outside-toplevel
    from ansible.module_utils.urls import ConnectionError as UrlConnectionError

    # pylint: disable-next=import-outside-toplevel
    from ansible.module_utils.urls import SSLValidationError, open_url

    if not url.startswith("https://"):
        raise GridSecurityError("not_https", f"{url}: only https is fetched. Give an https URL, or a file in src.")
    try:
        with open_url(url, timeout=_TIMEOUT) as answer:
            data: bytes = answer.read(_LARGEST + 1)
    except (urllib.error.URLError, UrlConnectionError, SSLValidationError, OSError) as error:
        raise GridSecurityError(
            "not_fetched", f"{url} cannot be fetched: {error}. Check the URL and the network."
        ) from error
    if len(data) > _LARGEST:
        raise GridSecurityError(
            "too_large", f"{url} is larger than 64 MiB, so it is no release of IGTF. Check the URL."
        )
    return data


def check_checksum(data: bytes, checksum: str, name: str) -> None:
    """Compare ``data`` with a checksum of the form ``sha256:HEX`` or ``sha512:HEX``.

    :raises GridSecurityError: ``bad_checksum``: it is another one, or not of that form.
    """
    match = _CHECKSUM.fullmatch(checksum)
    if not match:
        raise GridSecurityError(
            "bad_checksum", f"{name}: {checksum!r} is no checksum. Write sha256: or sha512: and the digits."
        )
    actual = hashlib.new(match.group(1), data).hexdigest()
    if not hmac.compare_digest(actual, match.group(2).lower()):
        raise GridSecurityError(
            "bad_checksum",
            f"{name}: its {match.group(1)} is {actual}, not what checksum says. Fetch it again, or correct checksum if"
            " the publisher announces this one.",
        )


def check_signature(data: bytes, signature: str, keyring: str, name: str) -> None:
    """Check a detached signature with gpg, in a home directory of its own, so that nobody's own keys count.

    :param signature: path of the signature. :param keyring: path of the public keys, armoured or not.
    :raises GridSecurityError: ``no_gpg`` or ``bad_signature``.
    """
    with tempfile.TemporaryDirectory(prefix="grid-security-") as home:
        imported = _gpg(home, ["--import", keyring], b"", name)
        verified = _gpg(home, ["--trust-model", "always", "--verify", signature, "-"], data, name)
    if verified.returncode != 0:
        said = (verified if imported.returncode == 0 else imported).stderr.decode(errors="replace").strip()
        raise GridSecurityError(
            "bad_signature",
            f"{name}: its signature {os.path.basename(signature)} is not good by the keys in {keyring}. Fetch both"
            f" again, or check keyring. gpg says: {said}",
        )


def _gpg(home: str, arguments: list[str], data: bytes, name: str) -> subprocess.CompletedProcess[Any]:
    command = ["gpg", "--batch", "--no-options", "--no-autostart", "--homedir", home, *arguments]
    try:
        return subprocess.run(command, input=data, capture_output=True, check=False)
    except FileNotFoundError:
        raise GridSecurityError(
            "no_gpg", f"{name}: its signature cannot be checked, because the controller has no gpg. Install gnupg."
        ) from None
