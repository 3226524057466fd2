# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the integrity check (MAC) of a PKCS#12 archive: RFC 7292, and PBMAC1 of RFC 9579."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from ansible_collections.grid.security.plugins.module_utils._credential import kdf, pbes2, pkcs12_passphrase
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._x509 import algorithm_names, der

__all__ = ["MacError", "fits"]

_SHORTEST_KEY = 20  # bytes, RFC 9579
_MAC = 3  # the purpose, RFC 7292 appendix B.3


class MacError(ValueError):
    """Report a MAC that cannot be checked. The text is the reason, as the end of a sentence."""


def fits(pfx: der.Element, passphrases: Iterable[bytes | None]) -> bool:
    """Return whether one of the passphrases gives the MAC of an archive with a MAC.

    :raises MacError: the algorithm of the MAC is unknown here, or it must be refused.
    :raises DerError: the MAC is damaged.
    """
    mac = structure.mac_data(pfx)
    content = structure.content_of(pfx.child(1))
    if mac is None or content is None:
        raise der.DerError("it is damaged")
    try:
        return any(_fits(mac, content.octets(), passphrase) for passphrase in passphrases)
    except LookupError as error:
        raise MacError(f"{algorithm_names.name(str(error.args[0]))} is not supported here") from None
    except MacError:
        raise
    except (ValueError, OverflowError):
        raise der.DerError("it is damaged") from None


def _fits(mac: der.Element, content: bytes, passphrase: bytes | None) -> bool:
    digest_info = mac.child(0)
    algorithm, expected = digest_info.child(0), digest_info.child(1).octets()
    if algorithm.child(0).oid() == pbes2.PBMAC1:
        computed = _pbmac1(algorithm.child(1), passphrase or b"", content)
    else:
        computed = _rfc_7292(kdf.known_hash(algorithm.child(0).oid()), mac, passphrase, content)
    return hmac.compare_digest(expected, computed)


def _rfc_7292(algorithm: str, mac: der.Element, passphrase: bytes | None, content: bytes) -> bytes:
    iterations = mac.child(2).integer() if len(mac.children) > 2 else 1
    characters = pkcs12_passphrase.as_characters(passphrase)
    size = hmac.new(b"", b"", algorithm).digest_size
    key = kdf.pkcs12(algorithm, characters, mac.child(1).octets(), iterations, _MAC, size)
    return hmac.new(key, content, algorithm).digest()


def _pbmac1(parameters: der.Element, passphrase: bytes, content: bytes) -> bytes:
    derivation, scheme = parameters.child(0), parameters.child(1)
    if derivation.child(0).oid() != pbes2.PBKDF2:
        raise LookupError(derivation.child(0).oid())
    values = pbes2.read_pbkdf2(derivation.child(1))
    if values.key_size is None:
        raise MacError("PBMAC1 without the length of its key, which RFC 9579 forbids")
    if values.key_size < _SHORTEST_KEY:
        raise MacError(f"PBMAC1 with a key of {values.key_size} bytes, and RFC 9579 asks for {_SHORTEST_KEY} or more")
    key = kdf.pbkdf2(values, passphrase, values.key_size)
    return hmac.new(key, content, kdf.known_hash(scheme.child(0).oid())).digest()
