# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encode the passphrase of a PKCS#12 archive in the ways that programs use."""

from __future__ import annotations

import unicodedata

__all__ = ["as_characters", "encodings"]


def encodings(passphrase: str | None) -> list[bytes | None]:
    """Return the bytes to try, the most likely bytes first.

    PBES2 and PBMAC1 use these bytes directly. The older ciphers and the older MAC use :func:`as_characters` of them.
    """
    if not passphrase:
        return [b"", None]
    forms = [passphrase]
    if not passphrase.isascii():
        forms += [unicodedata.normalize(form, passphrase) for form in ("NFC", "NFKD")]
        # OpenSSL before 1.1 used each byte of UTF-8 as a character.
        forms.append(passphrase.encode().decode("latin-1"))
    encoded = [form.encode() for form in forms]
    try:  # OpenSSL on a terminal with Latin-1
        encoded.append(unicodedata.normalize("NFC", passphrase).encode("latin-1"))
    except UnicodeEncodeError:
        pass
    return list(dict.fromkeys(encoded))


def as_characters(passphrase: bytes | None) -> bytes:
    """Return the BMPString with two zero bytes at its end (RFC 7292, appendix B.1), and empty bytes for None.

    As in OpenSSL, characters beyond the BMP become two surrogates, and bytes that are no UTF-8 are read as Latin-1.
    """
    if passphrase is None:
        return b""
    try:
        text = passphrase.decode()
    except UnicodeDecodeError:
        text = passphrase.decode("latin-1")
    return text.encode("utf-16-be") + b"\0\0"
