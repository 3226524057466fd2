# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch files over https, and check them against a checksum and a detached GPG signature."""

from __future__ import annotations

import hashlib
import hmac
import os
import re

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

__all__ = ["check_checksum", "check_signature", "fetch"]

_LARGEST = 64 << 20  # bytes
_TIMEOUT = 120  # seconds
_CHECKSUM = re.compile(r"(sha256|sha512):([0-9a-fA-F]+)")


def fetch(url: str) -> bytes:
    """Return the body of the answer to ``url``. The URL and all redirects must be https.

    :raises GridSecurityError: ``not_https``, ``not_fetched`` or ``too_large``.
    """
    # Most runs fetch nothing and check no signature, and these imports take long.
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.plugin_utils._trust import bounded_fetch

    try:
        return bounded_fetch.fetch(url, _LARGEST, _TIMEOUT, https_only=True)
    except bounded_fetch.FetchError as error:
        raise GridSecurityError(
            error.error_code,
            f"{url} {error}. Check the URL and the network, or fetch the file by hand and name it in src.",
        ) from error


def check_checksum(data: bytes, checksum: str, name: str) -> None:
    """Compare ``data`` with a checksum of the form ``sha256:HEX`` or ``sha512:HEX``.

    :raises GridSecurityError: ``bad_checksum``: the checksum differs, or has another form.
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
            f"{name}: its {match.group(1)} is {actual}, which differs from checksum. Fetch it again, or correct"
            " checksum if the publisher announces this value.",
        )


def check_signature(data: bytes, signature: str, keyring: str, name: str) -> None:
    """Check a detached signature with gpg.

    :param signature: path of the signature. :param keyring: path of the public keys, armoured or not.
    :raises GridSecurityError: ``no_gpg`` or ``bad_signature``.
    """
    # pylint: disable-next=import-outside-toplevel
    from ansible_collections.grid.security.plugins.plugin_utils._trust import gpg

    try:
        gpg.verify(data, signature, keyring)
    except gpg.NoGpgError:
        raise GridSecurityError(
            "no_gpg", f"{name}: its signature cannot be checked, because the controller has no gpg. Install gnupg."
        ) from None
    except gpg.SignatureError as error:
        raise GridSecurityError(
            "bad_signature", f"{name}: its signature {os.path.basename(signature)} {error}"
        ) from None
