# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open PKCS#12 archives (RFC 7292), or report why an archive cannot be opened.

cryptography opens the archive. It returns only one private key, and reports every failure with the same words. So this
module also reads the structure: first, to refuse too much work; later, to find more keys, to open archives that
cryptography does not open, and to find the cause of a failure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import (
    file_kinds,
    kdf,
    pkcs12_causes,
    pkcs12_contents,
    pkcs12_opened,
    pkcs12_pairs,
    pkcs12_passphrase,
)
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._credential.pkcs12_opened import Opened
from ansible_collections.grid.security.plugins.module_utils._x509 import der, key_pair

__all__ = ["load"]

_VERSION = 3  # RFC 7292


def load(
    data: bytes,
    passphrase: str | None,
    *,
    name: str,
    max_kdf_iterations: int = 10_000_000,
    friendly_name: str | None = None,
) -> key_pair.KeyPair:
    """Open an archive.

    :param passphrase: None and the empty string are the same: archives encode "no passphrase" in two ways.
    :param name: the archive's name in messages.
    :param max_kdf_iterations: refuse archives that ask for more iterations of key derivation.
    :param friendly_name: the name of the pair to use, if the archive has several pairs.
    :raises GridSecurityError: ``no_cryptography``, ``too_large``, ``empty``, ``truncated``, ``not_pkcs12``,
        ``malformed``, ``kdf_limit``, ``passphrase_required``, ``wrong_passphrase``, ``two_passphrases``,
        ``unsupported_algorithm``, ``no_private_key``, ``no_certificate``, ``no_such_friendly_name`` or
        ``several_pairs``.
    """
    key_pair.check_cryptography()
    pfx = _read(data, name)
    with _malformed_named(name):
        kdf.refuse_bombs(structure.derivations(pfx), max_kdf_iterations, name)
    candidates = pkcs12_passphrase.encodings(passphrase)
    archive = pkcs12_causes.Archive(pfx, candidates, max_kdf_iterations, name)
    with _malformed_named(name):
        pkcs12_opened.refuse_many(len(list(structure.key_bags(pfx))), name)
        opened = _with_all_keys(_open(data, archive), archive) or _open_by_own_check(data, archive)
        return pkcs12_pairs.choose(opened, pfx, friendly_name=friendly_name, name=name)


@contextlib.contextmanager
def _malformed_named(name: str) -> Iterator[None]:
    """Convert the errors of the ASN.1 reader to a GridSecurityError."""
    try:
        yield
    except kdf.LongKeyError as error:
        raise GridSecurityError(
            "malformed", f"{name}: it asks for a key of {error} bytes, which no program uses. Export it again."
        ) from None
    except (der.DerError, IndexError):
        raise GridSecurityError(
            "malformed", f"{name}: its structure is damaged. Fetch the archive again, or export it again."
        ) from None


# --- read the structure -----------------------------------------------------------------------------------------------


def _read(data: bytes, name: str) -> der.Element:
    if len(data) > key_pair.LARGEST:
        raise GridSecurityError("too_large", f"{name}: it is larger than 1 MiB, so it is no credential. Check src.")
    if not data:
        raise GridSecurityError("empty", f"{name}: it is empty. Fetch the archive again.")
    if not file_kinds.begins_as_pkcs12(data):
        raise GridSecurityError(
            "not_pkcs12",
            f"{name}: it is no PKCS#12 archive but {file_kinds.describe(data)}. Name the .p12 or .pfx file from the CA"
            " or the browser; for a PEM certificate, name its key in privatekey_src.",
        )
    version = file_kinds.version(data)
    if version != _VERSION:
        raise GridSecurityError(
            "malformed",
            f"{name}: it is a PKCS#12 archive of version {version}, and only version {_VERSION} is in use. Export it"
            " again.",
        )
    with _malformed_named(name):
        if der.is_cut_off(data):
            raise GridSecurityError(
                "truncated",
                f"{name}: it is truncated: the file is shorter than its header says. Fetch the archive again.",
            )
        return der.read(data)


# --- open -------------------------------------------------------------------------------------------------------------


def _open(data: bytes, archive: pkcs12_causes.Archive) -> Opened | None:
    """Open the archive with cryptography and the first passphrase that fits. Return None if no passphrase fits."""
    for passphrase in archive.passphrases:
        try:
            return pkcs12_opened.read(data, passphrase, archive.pfx)
        except Exception:  # pylint: disable=broad-except  # many classes, without the cause
            continue
    return None


def _with_all_keys(opened: Opened | None, archive: pkcs12_causes.Archive) -> Opened | None:
    """Add the private keys that cryptography does not return. cryptography returns the first key only."""
    if opened is None or not pkcs12_opened.may_hold_more_keys(opened, archive.pfx):
        return opened
    return pkcs12_opened.with_all_keys(opened, _contents(archive))


def _contents(archive: pkcs12_causes.Archive) -> pkcs12_contents.Contents:
    contents = pkcs12_contents.read(archive.pfx, archive.passphrases, archive.limit, archive.name)
    pkcs12_opened.refuse_many(contents.count_of_keys(), archive.name)
    return contents


def _open_by_own_check(data: bytes, archive: pkcs12_causes.Archive) -> Opened:
    """Check the MAC here, then open the archive without its MAC: cryptography may know the ciphers but not the MAC.

    The MAC and the ciphers may use different encodings of the passphrase. cryptography uses UTF-8 only. It also refuses
    the whole archive if it does not read a certificate or key. This module decrypts such archives itself.
    """
    mac_fits = pkcs12_causes.check_mac(archive)
    opened = _with_all_keys(_open(structure.without_mac(data), archive), archive) if mac_fits else None
    if opened is not None:
        return opened
    contents = _contents(archive)
    if mac_fits is not False and not contents.hides_certificates():
        opened = pkcs12_opened.from_contents(contents)
        is_whole = not opened.lost_keys and not opened.lost_certificates
        if is_whole or pkcs12_pairs.has_pairs(opened):
            return opened
    raise pkcs12_causes.find(archive, contents, mac_fits)
