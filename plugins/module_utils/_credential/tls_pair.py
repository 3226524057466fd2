# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that a TLS library loads a certificate and a private key as a pair.

Python's ssl reads files only. This module uses files in memory, so that a private key in clear is never on a disk.
Pipes do not work: OpenSSL 3.0 fails to read some keys from pipes.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError

try:
    import ssl
except ImportError:  # Python can be built without OpenSSL
    ssl = None  # type: ignore[assignment]

__all__ = ["check"]

_DESCRIPTORS = "/proc/self/fd"
# This check accepts weak keys and digests, because it is about the pair only.
_NO_POLICY = "ALL:@SECLEVEL=0"


def check(certificate: bytes, privatekey: bytes, *, key_type: str, name: str) -> None:
    """Load the pair into an SSL context. Do nothing if Python has no ssl, or the system has no files in memory.

    :param certificate: PEM. :param privatekey: PEM, not encrypted.
    :param key_type: the name of the key's type in messages. :param name: the credential's name in messages.
    :raises GridSecurityError: ``unusable_pair``.
    """
    with contextlib.ExitStack() as stack:
        try:
            paths = [stack.enter_context(_in_memory(data)) for data in (certificate, privatekey)]
        except (AttributeError, OSError):  # not Linux, or no /proc
            return
        cause = _refusal(*paths) if ssl is not None else None
    if cause:
        raise GridSecurityError(
            "unusable_pair",
            f"{name}: {ssl.OPENSSL_VERSION} does not load its certificate and its {key_type} key as a pair: {cause}."
            " No TLS client or server can use them. Ask the CA for a certificate with an RSA or EC key.",
        )


def _refusal(certificate: str, privatekey: str) -> str | None:
    """Return the reason if OpenSSL refuses the pair in two files; else None."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with contextlib.suppress(ssl.SSLError):  # a library other than OpenSSL has no security levels
        context.set_ciphers(_NO_POLICY)
    try:
        context.load_cert_chain(certificate, privatekey)
    except OSError as error:  # ssl.SSLError is one, and ssl raises others if the system has set errno before
        return (getattr(error, "reason", None) or "it cannot be read").replace("_", " ").lower()
    return None


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[str]:
    """Provide the path of a file that exists in memory only.

    :raises AttributeError: the system has no such files. :raises OSError: the file cannot be opened by its path.
    """
    with os.fdopen(os.memfd_create("pair"), "wb") as stream:
        stream.write(data)
        stream.flush()
        path = f"{_DESCRIPTORS}/{stream.fileno()}"
        with open(path, "rb"):
            yield path
