# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the engine with inspectors of certificates, private keys and CRLs.

The engine imports :func:`work` by its name in a new interpreter, and with it everything that a worker needs. A worker
has the rights of a user and can import nothing later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._credential import key_files
from ansible_collections.grid.security.plugins.module_utils._files import engine, set_work
from ansible_collections.grid.security.plugins.module_utils._files.inspection import Inspectors
from ansible_collections.grid.security.plugins.module_utils._files.set_options import TIMEOUT
from ansible_collections.grid.security.plugins.module_utils._x509 import certificate_der, crl, pem

__all__ = ["INSPECTORS", "converge", "work"]


def converge(
    sets: list[dict[str, Any]],
    contents: dict[str, str],
    check: bool,
    diff: bool,
    limit: float = TIMEOUT,
    secret: bool = False,
) -> list[dict[str, Any]]:
    """Converge file sets; see :func:`engine.converge`."""
    return engine.converge(work, sets, contents, check, diff, limit, secret)


def work(argument: dict[str, Any]) -> dict[str, Any]:
    """Compare or apply one set; see :func:`set_work.work`."""
    return set_work.work(argument, INSPECTORS)


def _public_part(content: bytes) -> bytes:
    """Return the first certificate in PEM, or nothing. Many files also hold the private key."""
    certificate = certificate_der.first(content)
    return pem.encode(certificate_der.PEM_LABEL, certificate) if certificate else b""


def _fingerprint(content: bytes) -> str | None:
    """Return the SHA-256 of the first certificate, which is the certificate that clients use."""
    certificate = certificate_der.first(content)
    return hashlib.sha256(certificate).hexdigest() if certificate is not None else None


def _is_encrypted_key(content: bytes) -> bool:
    return bool(key_files.describe(content)["kind"] == key_files.ENCRYPTED)


def _describe_file(content: bytes) -> dict[str, Any]:
    """Return the facts about a file of a trust directory."""
    return {"certificate": next(_fingerprints(content), None), **_kinds(content), **_crl(content)}


def _kinds(content: bytes) -> dict[str, Any]:
    """Tell whether a file holds a CA's certificate or a private key. The result has only the facts that are true."""
    certificate = certificate_der.first(content)
    is_ca = bool(certificate and certificate_der.is_ca(certificate))
    facts = {"ca": is_ca, "private_key": pem.holds_private_key(content)}
    return {name: True for name, holds in facts.items() if holds}


def _fingerprints(content: bytes) -> Iterator[str | None]:
    """Yield the SHA-256 fingerprint of each certificate in PEM; None for a damaged certificate."""
    for block in pem.blocks(content):
        if block.label == certificate_der.PEM_LABEL:
            yield hashlib.sha256(block.data).digest().hex(":") if block.data else None


def _crl(content: bytes) -> dict[str, Any]:
    """Return the facts about a CRL in PEM under the name ``crl``; nothing if there is no CRL, or a damaged CRL."""
    try:
        return {"crl": crl.facts(crl.read(crl.decode(content)))}
    except crl.CrlError:
        return {}


INSPECTORS = Inspectors(
    public_part=_public_part,
    fingerprint=_fingerprint,
    describe_key=key_files.describe,
    is_encrypted_key=_is_encrypted_key,
    holds_private_key=pem.holds_private_key,
    describe_file=_describe_file,
    describe_linked=_kinds,
    fingerprints=_fingerprints,
    largest_key=key_files.LARGEST,
)
