# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the algorithms of PBES2 and PBMAC1 (RFC 8018), and read the parameters of their key derivation PBKDF2.

This needs the standard library only, because nodes read key files, too.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.grid.security.plugins.module_utils._x509 import der

__all__ = ["AES_256_CBC", "HMAC_SHA256", "PBES2", "PBKDF2", "PBMAC1", "Pbkdf2Parameters", "read_pbkdf2"]

PBKDF2 = "1.2.840.113549.1.5.12"
PBES2 = "1.2.840.113549.1.5.13"
PBMAC1 = "1.2.840.113549.1.5.14"
HMAC_SHA256 = "1.2.840.113549.2.9"
AES_256_CBC = "2.16.840.1.101.3.4.1.42"


@dataclass(frozen=True)
class Pbkdf2Parameters:
    """Hold the ``PBKDF2-params`` of RFC 8018.

    :param key_size: in bytes; None if the parameters do not have it.
    :param prf: the object identifier of the pseudorandom function; None stands for the default, HMAC-SHA1.
    """

    salt: bytes
    iterations: int
    key_size: int | None
    prf: str | None


def read_pbkdf2(parameters: der.Element) -> Pbkdf2Parameters:
    """Read ``PBKDF2-params``.

    :raises DerError: the parameters are damaged.
    """
    salt, iterations = parameters.child(0, der.OCTET_STRING).octets(), parameters.child(1, der.INTEGER).integer()
    rest = parameters.children[2:]
    key_size = rest[0].integer() if rest and rest[0].tag == der.INTEGER else None
    prf = next((part.child(0).oid() for part in rest if part.tag == der.SEQUENCE), None)
    return Pbkdf2Parameters(salt, iterations, key_size, prf)
