# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out why cryptography does not open a PKCS#12 archive, and return the reason as an error.

cryptography reports every failure with the same words. So this module opens each part separately. If a wrong passphrase
and damage look the same, the message names both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_contents, pkcs12_mac
from ansible_collections.grid.security.plugins.module_utils._credential import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_faults, der, key_faults

try:
    import cryptography
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["Archive", "check_mac", "find"]

_SIGNED = "1.2.840.113549.1.7.2"
_FULL_NAMES = {pkcs12_contents.KEY: "its private key is", pkcs12_contents.CERTIFICATES: "its certificates are"}


@dataclass(frozen=True)
class Archive:
    """Hold an archive, and the values that open its parts.

    :param passphrases: the encodings of the user's passphrase; b"" and None if there is no passphrase.
    :param limit: the most iterations of all parts together. :param name: the archive's name in messages.
    """

    pfx: der.Element
    passphrases: list[bytes | None]
    limit: int
    name: str

    @property
    def has_passphrase(self) -> bool:
        return any(self.passphrases)


def check_mac(archive: Archive) -> bool | None:
    """Return whether the passphrase fits the integrity check; None if the archive has no integrity check.

    :raises GridSecurityError: ``malformed`` or ``unsupported_algorithm``: the check is not possible.
    """
    kind = archive.pfx.child(1).child(0).oid()
    if kind != structure.DATA:
        how = "by a signature" if kind == _SIGNED else "in an unknown way"
        raise _error(archive, "malformed", f"it is protected {how}. Export it again, with a passphrase.")
    if structure.mac_data(archive.pfx) is None:
        if len(archive.pfx.children) > 2:
            raise _error(archive, *_DAMAGED_MAC)
        return None
    try:
        return pkcs12_mac.fits(archive.pfx, archive.passphrases)
    except pkcs12_mac.MacError as error:
        raise _error(
            archive, "unsupported_algorithm", f"its integrity check cannot be used: {error}. Export it again."
        ) from None
    except der.DerError:
        raise _error(archive, *_DAMAGED_MAC) from None


def find(archive: Archive, contents: pkcs12_contents.Contents, mac_fits: bool | None) -> GridSecurityError:
    """Return the reason as an error.

    :param contents: the parts of the archive. :param mac_fits: the result of :func:`check_mac`.
    """
    if mac_fits is False:
        return _mac_differs(archive, contents)
    causes: tuple[Callable[[], tuple[str, str] | None], ...] = (
        lambda: _damaged(contents),
        lambda: _unknown(contents),
        lambda: _locked(archive, contents, mac_fits),
        lambda: _first_fault(key_faults.find(one.data) for one in contents.keys),
        lambda: _first_fault(certificate_faults.find(one.data) for one in contents.certificates),
        lambda: _first_fault(key_faults.unusual(one.data) for one in contents.keys),
    )
    found = _first_fault(one() for one in causes)
    return _error(archive, *(found or _UNEXPLAINED))


def _error(archive: Archive, error_code: str, text: str) -> GridSecurityError:
    return GridSecurityError(error_code, f"{archive.name}: {text}")


def _mac_differs(archive: Archive, contents: pkcs12_contents.Contents) -> GridSecurityError:
    if contents.opened:
        return _error(
            archive,
            "malformed",
            f"the passphrase opens {_listed(contents.opened)}, but does not fit its integrity check. The archive is"
            " damaged, or has two passphrases. Fetch it again, or export it again with one passphrase.",
        )
    if archive.has_passphrase:
        return _error(archive, *_WRONG)
    if contents.locked or contents.unknown:
        return _error(archive, *_REQUIRED)
    return _error(
        archive,
        "passphrase_required",
        "it needs an import passphrase, or it is damaged. Set passphrase to the passphrase of its export, or fetch it"
        " again.",
    )


_WRONG = (
    "wrong_passphrase",
    "the import passphrase is wrong, or the archive is damaged. Set passphrase to the passphrase of its export. If this"
    " passphrase is correct, fetch or export the archive again.",
)
_DAMAGED_MAC = ("malformed", "its integrity check is damaged. Fetch the archive again.")
_UNEXPLAINED = ("malformed", "the passphrase opens it, but its structure is not understood. Export it again.")
_REQUIRED = ("passphrase_required", "it needs an import passphrase. Set passphrase to the passphrase of its export.")


def _damaged(contents: pkcs12_contents.Contents) -> tuple[str, str] | None:
    if not contents.damaged:
        return None
    listed = _listed(contents.damaged)
    return "malformed", f"the passphrase opens {listed}, but their contents are damaged. Export it again."


def _unknown(contents: pkcs12_contents.Contents) -> tuple[str, str] | None:
    for what, cipher in contents.unknown:
        return (
            "unsupported_algorithm",
            f"{_FULL_NAMES[what]} encrypted with {cipher}, and cryptography {cryptography.__version__} does not open"
            " the archive. Export it again with AES-256.",
        )
    return None


def _locked(archive: Archive, contents: pkcs12_contents.Contents, mac_fits: bool | None) -> tuple[str, str] | None:
    if not contents.locked:
        return None
    if not mac_fits and not contents.opened:
        return _WRONG if archive.has_passphrase else _REQUIRED
    fitting = "fits its integrity check" if mac_fits else f"opens {_listed(contents.opened)}"
    return (
        "two_passphrases",
        f"the passphrase {fitting}, but does not open {_listed(contents.locked)}. The archive has two passphrases, or"
        " it was damaged before its export. Export it again with one passphrase.",
    )


def _first_fault(faults: Iterator[tuple[str, str] | None]) -> tuple[str, str] | None:
    return next((fault for fault in faults if fault), None)


def _listed(parts: list[str]) -> str:
    return " and ".join(f"its {part}" for part in dict.fromkeys(parts))
