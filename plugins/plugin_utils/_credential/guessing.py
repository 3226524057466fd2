# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute from the files of a credential how many iterations of PBKDF2-HMAC-SHA256 a guess at its passphrases costs."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import kdf
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Source
from ansible_collections.grid.security.plugins.module_utils._x509 import der, key_pair, pem

__all__ = ["iterations"]

# Algorithms whose iteration costs at most an iteration of PBKDF2-HMAC-SHA256. scrypt and SHA-512 may cost more.
_COMPARABLE = {
    "1.2.840.113549.1.5.12",  # PBKDF2
    "1.2.840.113549.1.5.13",  # PBES2
    "1.2.840.113549.1.5.14",  # PBMAC1
    *(f"1.2.840.113549.1.12.1.{number}" for number in range(1, 7)),  # PBE with SHA-1 of PKCS#12
    "1.3.14.3.2.26",  # SHA-1
    "2.16.840.1.101.3.4.2.1",  # SHA-256
    "2.16.840.1.101.3.4.2.4",  # SHA-224
    *(f"1.2.840.113549.2.{number}" for number in (5, 7, 8, 9)),  # MD5, HMAC with SHA-1, SHA-224, SHA-256
    "1.2.840.113549.3.2",  # RC2
    "1.2.840.113549.3.7",  # 3DES
    *(f"2.16.840.1.101.3.4.1.{number}" for number in (2, 22, 42)),  # AES-CBC
}


def iterations(source: Source) -> int | None:
    """Return the largest number of iterations among the stored key, the archive's MAC and its encryption.

    None: the archive is damaged, too large, exceeds ``max_kdf_iterations``, or its work cannot be compared.
    """
    options = source.options
    if max(len(source.data), len(source.privatekey or b"")) > key_pair.LARGEST:
        return None
    try:
        algorithms, asked = _archive(source.data) if source.privatekey is None else _private_key(source.privatekey)
        kdf.refuse_bombs(asked, options.max_kdf_iterations, options.label)
        oids = {
            part.oid() for algorithm in algorithms for part in algorithm.walk() if part.tag == der.OBJECT_IDENTIFIER
        }
    except (der.DerError, IndexError, GridSecurityError):
        return None
    return max(options.kdf_iterations, *asked) if oids <= _COMPARABLE else None


def _archive(data: bytes) -> tuple[list[der.Element], list[int]]:
    """Return the AlgorithmIdentifiers that are readable without a passphrase, and the iterations."""
    pfx = der.read(data)
    mac = structure.mac_data(pfx)
    of_mac = [mac.child(0).child(0)] if mac is not None else []
    return [*structure.algorithms(pfx), *of_mac], [0, *structure.derivations(pfx)]


def _private_key(data: bytes) -> tuple[list[der.Element], list[int]]:
    """Return the same of a PEM private key. OpenSSL's traditional form has no iterations."""
    blocks = [block for block in pem.blocks(data) if block.label.startswith("ENCRYPTED")]
    algorithms = [der.read(block.data).child(0) for block in blocks]
    return algorithms, [0, *(number for algorithm in algorithms for number in kdf.iterations(algorithm))]
