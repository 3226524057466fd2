# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Split files into CA certificates. PEM, DER and PKCS#7 are recognized by content.

PKCS#7 is read by :mod:`der` and not by cryptography, which reads all certificates of such a file or none of them.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, der, pem
from ansible_collections.grid.security.plugins.plugin_utils._trust import file_formats, source_files

__all__ = ["Certificate", "ca_files", "complete", "orphans", "read"]

_PKCS7_LABELS = ("PKCS7", "CMS")
_LABELS = (*certificate_der.LABELS, *_PKCS7_LABELS)
_BEGIN = re.compile(f"-----BEGIN (?:{'|'.join(_LABELS)})-----".encode())
_TRUSTED = b"-----BEGIN TRUSTED CERTIFICATE-----"
_SIGNED_DATA = der.encode_oid("1.2.840.113549.1.7.2")  # RFC 2315, RFC 5652
_PKCS7_LEVELS = 4  # of ASN.1, down to the single certificates
_START = 32  # bytes, among which the type of PKCS#7 is named
_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*")
_LATER = ((".cer", ".der"), (".p7b", ".p7c"))  # read after all others
_PACKAGE = "policy-"  # IGTF's files about a whole profile are named so


@dataclass(frozen=True)
class Certificate:
    """A certificate of a file.

    :param der: empty if the Base64 is damaged.
    :param text: the PEM that is placed: the whole file if it is PEM and has no other certificate.
    """

    der: bytes
    text: bytes


# --- which files ------------------------------------------------------------------------------------------------------


def ca_files(files: Mapping[str, bytes]) -> list[str]:
    """Return the names of the files with CA certificates among the files of one directory.

    ``HASH.0`` with the content of another file is most often a link to that file, and left out.
    """
    named = [name for name in files if source_files.is_certificate(name)]
    present = {files[name] for name in named}
    numbered = [name for name in files if source_files.is_numbered(name, files) and files[name] not in present]
    return sorted([*named, *numbered], key=_rank)


def _rank(name: str) -> int:
    """Return the rank of a file by its form: PEM, DER, PKCS#7.

    A directory often has a certificate in several forms. The first form is placed.
    """
    return next((rank for rank, endings in enumerate(_LATER, start=1) if name.lower().endswith(endings)), 0)


def orphans(files: Mapping[str, bytes]) -> list[str]:
    """Return the names of the signing policies and other companions that lie beside no certificate.

    :param files: of one directory.
    """
    stems = {name.rpartition(".")[0] for name in files if _is_ca_file(name, files)}
    companions = (name for name in files if name.rpartition(".")[2] in source_files.COMPANIONS)
    return sorted(name for name in companions if name.rpartition(".")[0] not in stems and not name.startswith(_PACKAGE))


def _is_ca_file(name: str, files: Mapping[str, bytes]) -> bool:
    return source_files.is_certificate(name) or source_files.is_numbered(name, files)


# --- contents ---------------------------------------------------------------------------------------------------------


def read(data: bytes) -> list[Certificate]:
    """Return the certificates of a file.

    :raises GridSecurityError: ``not_pem``: there is no certificate, or the file is truncated. The message is the rest
        of a sentence that begins with the name of the file.
    """
    if not file_formats.is_der(data) and not file_formats.recognize(data):
        _check_text(data)
    found = complete(data)
    if not found:
        raise GridSecurityError("not_pem", file_formats.describe(data))
    return found


def _check_text(data: bytes) -> None:
    if _TRUSTED in data:
        raise GridSecurityError("not_pem", file_formats.describe(data))
    if len(_blocks(data)) != len(_BEGIN.findall(data)):
        raise GridSecurityError("not_pem", "is truncated. Fetch it again.")


def complete(data: bytes) -> list[Certificate]:
    """Return the certificates that are complete, even if the rest of the file is damaged."""
    if file_formats.recognize(data):
        return []
    return _in_der(data) if file_formats.is_der(data) else _in_pem(data)


def _in_pem(data: bytes) -> list[Certificate]:
    blocks = _blocks(data)
    found = [certificate for block in blocks for certificate in _in_block(block)]
    if len(blocks) == 1 and [certificate.text for certificate in found] == [blocks[0].text]:
        return [Certificate(found[0].der, data)]
    return found


def _blocks(data: bytes) -> list[pem.Block]:
    return [block for block in pem.blocks(data) if block.label in _LABELS]


def _in_block(block: pem.Block) -> Iterator[Certificate]:
    data = _decoded(block)
    others = list(_in_pkcs7(data))
    if others or block.label in _PKCS7_LABELS:
        yield from map(_from_der, others)
    elif block.label == certificate_der.PEM_LABEL:
        yield Certificate(data, block.text)
    else:
        yield _from_der(data)


def _decoded(block: pem.Block) -> bytes:
    """Return the DER of a block; empty if there are characters that OpenSSL refuses.

    Lines such as ``Proc-Type: 4`` may come first.
    """
    body = block.text.split(b"-----")[2]
    return block.data if b":" in body or _BASE64.fullmatch(body) else b""


def _from_der(data: bytes) -> Certificate:
    return Certificate(data, pem.encode(certificate_der.PEM_LABEL, data))


def _in_der(data: bytes) -> list[Certificate]:
    """Return the certificates at the start. The rest is ignored, as OpenSSL does."""
    found = list(_in_pkcs7(data)) or itertools.takewhile(certificate_der.is_one, _elements(data))
    return list(map(_from_der, found))


def _in_pkcs7(data: bytes) -> Iterator[bytes]:
    if _SIGNED_DATA not in data[:_START]:
        return
    try:
        signed = der.read(data, _PKCS7_LEVELS).child(1, der.CONTEXT_0).child(0, der.SEQUENCE)
    except der.DerError:
        return
    for part in signed.children:
        if part.tag == der.CONTEXT_0:
            yield from (child.encoded() for child in part.children if child.tag == der.SEQUENCE)


def _elements(data: bytes) -> Iterator[bytes]:
    with contextlib.suppress(der.DerError):
        for element in der.split(data):
            yield element.encoded() if element.tag == der.SEQUENCE else b""
