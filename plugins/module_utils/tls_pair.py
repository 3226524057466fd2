# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a TLS library loads a certificate and a private key as a pair.

Python's ssl reads files only. It gets pipes here, so that a private key in clear never reaches a disk.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

try:
    import ssl
except ImportError:  # Python can be built without OpenSSL
    ssl = None  # type: ignore[assignment]

__all__ = ["check"]

_DESCRIPTORS = "/dev/fd"
# Weak keys and digests are not refused here: the check is about the pair.
_NO_POLICY = "ALL:@SECLEVEL=0"


def check(certificate: bytes, privatekey: bytes, *, key_type: str, name: str) -> None:
    """Load the pair into an SSL context. Do nothing where Python has no ssl or the system has no ``/dev/fd``.

    :param certificate: PEM. :param privatekey: PEM, not encrypted.
    :param key_type: the name of the key's type for messages. :param name: what messages call the credential.
    :raises GridSecurityError: ``unusable_pair``.
    """
    if ssl is None or not os.path.isdir(_DESCRIPTORS):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.suppress(ssl.SSLError):  # not OpenSSL, which has these levels
        context.set_ciphers(_NO_POLICY)
    with _piped(certificate) as certificate_path, _piped(privatekey) as privatekey_path:
        try:
            context.load_cert_chain(certificate_path, privatekey_path)
        except ssl.SSLError as error:
            cause = (error.reason or "unknown error").replace("_", " ").lower()
            raise GridSecurityError(
                "unusable_pair",
                f"{name}: {ssl.OPENSSL_VERSION} does not load its certificate and its {key_type} key as a pair:"
                f" {cause}. No TLS client or server can use them. Ask the CA for a certificate with an RSA or EC key.",
            ) from None


@contextlib.contextmanager
def _piped(data: bytes) -> Iterator[str]:
    """Return a path from which ``data`` can be read once."""
    reading, writing = os.pipe()
    writer = threading.Thread(target=_write, args=(writing, data))  # a pipe holds 64 KiB at most
    writer.start()
    try:
        yield f"{_DESCRIPTORS}/{reading}"
    finally:
        os.close(reading)
        writer.join()


def _write(descriptor: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
