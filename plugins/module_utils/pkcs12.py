# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PKCS#12 archives (RFC 7292): open them, or say what is wrong with them.

cryptography opens the archive. It reports every failure with the same words, so the structure is read here as well:
before, to refuse what is no archive or asks for too much work; after a failure, to find its cause.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import unicodedata
from collections.abc import Iterator

from ansible_collections.grid.security.plugins.module_utils import der, kdf, keypair, pkcs12_pairs
from ansible_collections.grid.security.plugins.module_utils import pkcs12_structure as structure
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

try:
    import cryptography
except ImportError:  # reported by keypair.check_cryptography, which comes first
    pass

__all__ = ["load"]

_PBES2 = "1.2.840.113549.1.5.13"
_PBMAC1 = "1.2.840.113549.1.5.14"
_NAMES = {
    "1.2.840.113549.1.12.1.1": "RC4-128",
    "1.2.840.113549.1.12.1.2": "RC4-40",
    "1.2.840.113549.1.12.1.3": "3DES",
    "1.2.840.113549.1.12.1.4": "2-key 3DES",
    "1.2.840.113549.1.12.1.5": "RC2-128",
    "1.2.840.113549.1.12.1.6": "RC2-40",
    "1.2.840.113549.3.2": "RC2",
    "1.2.840.113549.3.7": "3DES",
    "2.16.840.1.101.3.4.1.2": "AES-128-CBC",
    "2.16.840.1.101.3.4.1.22": "AES-192-CBC",
    "2.16.840.1.101.3.4.1.42": "AES-256-CBC",
    _PBMAC1: "PBMAC1",
    kdf.SCRYPT: "scrypt",
}
_HASHES = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.2.840.113549.2.5": "md5",
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}


def load(
    data: bytes,
    passphrase: str | None,
    *,
    name: str,
    max_kdf_iterations: int = 10_000_000,
    friendly_name: str | None = None,
) -> keypair.KeyPair:
    """Open an archive.

    :param passphrase: None and the empty string are the same: archives encode "no passphrase" in two ways.
    :param name: what messages call the archive.
    :param max_kdf_iterations: refuse archives that ask for more rounds of key derivation.
    :param friendly_name: of the pair to take, if the archive holds several.
    :raises GridSecurityError: ``no_cryptography``, ``too_large``, ``empty``, ``truncated``, ``not_pkcs12``,
        ``malformed``, ``kdf_limit``, ``passphrase_required``, ``wrong_passphrase``, ``unsupported_algorithm``,
        ``no_private_key``, ``no_certificate``, ``no_such_friendly_name`` or ``several_pairs``.
    """
    keypair.check_cryptography()
    pfx = _read(data, name)
    with _malformed_named(name):
        kdf.refuse_bombs(structure.derivations(pfx), max_kdf_iterations, name)
    candidates = _candidates(passphrase)
    for candidate in candidates:
        opened = _open(data, candidate)
        if opened is not None:
            with _malformed_named(name):
                return pkcs12_pairs.choose(opened, pfx, candidates, friendly_name=friendly_name, name=name)
    with _malformed_named(name):
        raise _diagnose(pfx, passphrase, candidates, name)


@contextlib.contextmanager
def _malformed_named(name: str) -> Iterator[None]:
    """What the reading of a damaged structure raises, as an error for a person."""
    try:
        yield
    except (der.DerError, IndexError):
        raise GridSecurityError(
            "malformed", f"{name}: its structure is damaged. Fetch the archive again, or export it again."
        ) from None


# --- what it is -------------------------------------------------------------------------------------------------------


def _read(data: bytes, name: str) -> der.Element:
    if len(data) > keypair.LARGEST:
        raise GridSecurityError("too_large", f"{name}: it is larger than 1 MiB, so it is no credential. Check src.")
    if not data:
        raise GridSecurityError("empty", f"{name}: it is empty. Fetch the archive again.")
    try:
        pfx = der.read(data)
    except der.Truncated:
        if data[0] == der.SEQUENCE:
            raise GridSecurityError(
                "truncated", f"{name}: it is truncated: the file is shorter than it says. Fetch the archive again."
            ) from None
        raise _not_pkcs12(data, None, name) from None
    except der.DerError:
        raise _not_pkcs12(data, None, name) from None
    if pfx.tag != der.SEQUENCE or len(pfx.children) < 2 or pfx.children[0].content != b"\x03":
        raise _not_pkcs12(data, pfx, name)
    return pfx


def _not_pkcs12(data: bytes, element: der.Element | None, name: str) -> GridSecurityError:
    return GridSecurityError(
        "not_pkcs12",
        f"{name}: it is no PKCS#12 archive but {_guess(data, element)}. Name the .p12 or .pfx file that the authority"
        " or the browser gave out; for a PEM certificate, name its key in privatekey_src.",
    )


def _guess(data: bytes, element: der.Element | None) -> str:
    start = data.lstrip()[:4096].lower()
    if b"-----begin " in start:
        return "a PEM private key" if b"private key-----" in start else "a PEM file"
    if data.startswith(b"\xfe\xed\xfe\xed"):
        return "a Java keystore (JKS)"
    if data.startswith(b"\xce\xce\xce\xce"):
        return "a Java keystore (JCEKS)"
    if start.startswith((b"<!doctype", b"<html")):
        return "a web page"
    if element is not None and [child.tag for child in element.children] == [0x30, 0x30, 0x03]:
        return "a DER certificate"
    if element is not None and element.tag == der.SEQUENCE:
        return "another DER file"
    return "a text file" if all(byte in b"\t\r\n" or byte >= 0x20 for byte in data[:512]) else "something unknown"


def _describe(algorithm: der.Element) -> str:
    """The cipher's name: for PBES2 that of the scheme inside."""
    oids = [element.oid() for element in algorithm.walk() if element.tag == der.OBJECT_IDENTIFIER]
    oid = oids[-1] if oids[0] == _PBES2 else oids[0]
    return _NAMES.get(oid, oid)


# --- open -------------------------------------------------------------------------------------------------------------


def _candidates(passphrase: str | None) -> list[bytes | None]:
    """The encodings to try, the likeliest first."""
    if not passphrase:
        return [b"", None]
    forms = [passphrase]
    if not passphrase.isascii():
        forms += [unicodedata.normalize(form, passphrase) for form in ("NFC", "NFKD")]
        # OpenSSL before 1.1 took the bytes of UTF-8 for characters.
        forms.append(passphrase.encode().decode("latin-1"))
    return [form.encode() for form in dict.fromkeys(forms)]


def _open(data: bytes, passphrase: bytes | None) -> pkcs12_pairs.Opened | None:
    """The archive as cryptography reads it, or None if it does not."""
    try:
        return pkcs12_pairs.read(data, passphrase)
    except Exception:  # pylint: disable=broad-except  # of many classes, and none says more than "it failed"
        return None


# --- what went wrong --------------------------------------------------------------------------------------------------


def _diagnose(pfx: der.Element, passphrase: str | None, candidates: list[bytes | None], name: str) -> GridSecurityError:
    mac = structure.mac_data(pfx)
    if pfx.children[1].children and pfx.children[1].children[0].oid() != structure.DATA:
        return GridSecurityError(
            "malformed", f"{name}: it is protected by a signature or otherwise unusual. Export it again, by passphrase."
        )
    if mac is None:
        return _undecided(pfx, name)
    try:
        right = _verify_mac(pfx, mac, candidates)
    except (der.DerError, KeyError, ValueError, IndexError, OverflowError):
        oid = mac.children[0].children[0].children[0].oid()
        return GridSecurityError(
            "unsupported_algorithm",
            f"{name}: its integrity check ({_NAMES.get(oid, oid)}) is not supported here. Export it again.",
        )
    if not right:
        return _wrong_passphrase(passphrase, name)
    return _unsupported(pfx, mac, name)


def _wrong_passphrase(passphrase: str | None, name: str) -> GridSecurityError:
    if not passphrase:
        return GridSecurityError(
            "passphrase_required", f"{name}: it needs an import passphrase. Set passphrase to the one of its export."
        )
    return GridSecurityError(
        "wrong_passphrase",
        f"{name}: the import passphrase is wrong. Set passphrase to the one that was chosen when it was exported.",
    )


def _undecided(pfx: der.Element, name: str) -> GridSecurityError:
    ciphers = sorted({_describe(algorithm) for algorithm in structure.algorithms(pfx)})
    if not ciphers:
        return GridSecurityError("malformed", f"{name}: it is damaged, or not of version 3. Fetch or export it again.")
    return GridSecurityError(
        "wrong_passphrase",
        f"{name}: the import passphrase is wrong, or {', '.join(ciphers)} is not supported here; without an integrity"
        " check the archive does not tell. Check passphrase, or export it again.",
    )


def _unsupported(pfx: der.Element, mac: der.Element, name: str) -> GridSecurityError:
    ciphers = {_describe(algorithm) for algorithm in structure.algorithms(pfx)}
    if mac.children[0].children[0].children[0].oid() == _PBMAC1:
        ciphers.add("PBMAC1")
    if not ciphers:
        return GridSecurityError("malformed", f"{name}: its content is damaged. Fetch or export it again.")
    return GridSecurityError(
        "unsupported_algorithm",
        f"{name}: the passphrase is right, but the archive uses {', '.join(sorted(ciphers))}, and cryptography"
        f" {cryptography.__version__} cannot open it. Use a newer cryptography, or export it again with AES.",
    )


def _verify_mac(pfx: der.Element, mac: der.Element, candidates: list[bytes | None]) -> bool:
    content = structure.content_of(pfx.children[1])
    if content is None:
        raise der.DerError("no content")
    digest_info = mac.children[0]
    expected = digest_info.child(1).octets()
    if digest_info.child(0).child(0).oid() == _PBMAC1:
        computed = [_pbmac1(digest_info.child(0).child(1), one, content.octets()) for one in candidates]
    else:
        algorithm = _HASHES[digest_info.child(0).child(0).oid()]
        rounds = mac.child(2).integer() if len(mac.children) > 2 else 1
        keys = [_mac_key(algorithm, one, mac.child(1).octets(), rounds) for one in candidates]
        computed = [hmac.new(key, content.octets(), algorithm).digest() for key in keys]
    return any(hmac.compare_digest(expected, one) for one in computed)


def _pbmac1(parameters: der.Element, passphrase: bytes | None, content: bytes) -> bytes:
    """RFC 9579: PBKDF2 gives the key of an HMAC."""
    derivation, scheme = parameters.child(0), parameters.child(1)
    if derivation.child(0).oid() != kdf.PBKDF2:
        raise der.DerError("not PBKDF2")
    values = derivation.child(1).children
    prf = [_HASHES[one.child(0).oid()] for one in values if one.tag == der.SEQUENCE]
    length = values[2].integer() if len(values) > 2 and values[2].tag == der.INTEGER else 32
    key = hashlib.pbkdf2_hmac(
        prf[0] if prf else "sha1", passphrase or b"", values[0].octets(), values[1].integer(), length
    )
    return hmac.new(key, content, _HASHES[scheme.child(0).oid()]).digest()


def _mac_key(algorithm: str, passphrase: bytes | None, salt: bytes, rounds: int) -> bytes:
    """The key derivation of RFC 7292, appendix B.2, for the purpose "MAC" (3) and one block of output."""
    new = getattr(hashlib, algorithm)
    block = new().block_size
    secret = b"" if passphrase is None else passphrase.decode().encode("utf-16-be") + b"\0\0"
    value = bytes([3]) * block + _fill(salt, block) + _fill(secret, block)
    for _round in range(max(rounds, 1)):
        value = new(value).digest()
    return value


def _fill(data: bytes, block: int) -> bytes:
    size = -(-len(data) // block) * block
    return (data * (size // len(data) + 1))[:size] if data else b""
