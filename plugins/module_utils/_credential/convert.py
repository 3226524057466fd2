# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert an archive or a key pair to the files of a credential."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common import sandbox
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import (
    pem_pair,
    pkcs8,
    pkcs12,
    tls_pair,
)
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Conversion, Source
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.module_utils._x509 import (
    certificates,
    distinguished_name,
    host_names,
    key_pair,
    pem,
    private_key_info,
    safe_x509,
)

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
except ImportError:  # key_pair.check_cryptography reports it before this code runs
    pass

__all__ = ["convert", "job"]

_FEWEST_ITERATIONS = 1000  # RFC 8018 section 4.2
_FEW_ITERATIONS = 100_000  # fewer iterations lead to a warning
_MOST_ISSUERS = 16  # taken from an archive to search for a chain to a CA
_SECONDS = 10  # of processor time to open an archive with few iterations
_ITERATIONS_PER_SECOND = 100_000  # of very slow machines: several forms of a passphrase are tried


def job(source: Source) -> sandbox.Job:
    """Return :func:`convert` as a job, with the conversion as a dictionary.

    The limit of processor time grows with the iterations that the options allow.
    """
    options = source.options
    seconds = _SECONDS + (options.max_kdf_iterations + options.kdf_iterations) // _ITERATIONS_PER_SECOND
    return sandbox.Job(lambda: vars(convert(source)), seconds, options.label)


def convert(source: Source) -> Conversion:
    """Convert an archive or a key pair: a pure function of the files, the passphrases and the options.

    :raises GridSecurityError: ``bad_passphrase``, ``no_privatekey_passphrase``, ``traditional_encrypted``,
        ``kdf_iterations``, ``wrong_host``, ``malformed``, ``no_traditional_form`` or ``self_check``, and the codes of
        :func:`pkcs12.load`, :func:`pem_pair.load` and :func:`tls_pair.check`.
    """
    options = source.options
    _check_key_options(options)
    pair = _open(source)
    _check_host(pair.certificate, options)
    chain = _chain(pair.certificate, pair.others) if options.include_chain else []
    private_key = _private_key(pair, options)
    if options.check_privatekey:
        _check_private_key(private_key, pair.certificate, options)
    return Conversion(
        certificate=_pem([pair.certificate, *chain]),
        privatekey=private_key.decode(),
        other_certs=_pem(pair.others),
        facts={**certificates.describe(pair.certificate), **_friendly_name(pair)},
        warnings=[f"{options.label}: {warning}" for warning in (*pair.warnings, *_weaknesses(options))],
        chain=[_der(found) for found in (pair.certificate, *_possible_issuers(pair.certificate, pair.others))],
    )


def _friendly_name(pair: key_pair.KeyPair) -> dict[str, str]:
    return {"friendly_name": pair.friendly_name} if pair.friendly_name else {}


def _open(source: Source) -> key_pair.KeyPair:
    options = source.options
    limits: dict[str, Any] = {"name": options.label, "max_kdf_iterations": options.max_kdf_iterations}
    if source.privatekey is None:
        return pkcs12.load(source.data, options.passphrase, friendly_name=options.friendly_name, **limits)
    return pem_pair.load(source.data, source.privatekey, options.passphrase, **limits)


def _check_host(certificate: x509.Certificate, options: CredentialOptions) -> None:
    """Refuse the certificate of another host: clients would only say "authorization denied"."""
    name, dns_name = options.label, options.dns_name
    if not dns_name:
        return
    try:
        known = host_names.dns_names(certificate)
    except safe_x509.CertificateError as error:
        raise GridSecurityError(
            "malformed",
            f"{name}: the names of hosts in its certificate are damaged ({error}). Ask the CA for another certificate.",
        ) from None
    if not any(host_names.covers(pattern, dns_name) for pattern in known):
        raise GridSecurityError(
            "wrong_host",
            f"{name}: it is for {', '.join(known) or distinguished_name.one_line(certificate.subject)}, not for"
            f" {dns_name}. Name the credential of this host, or correct dns_name.",
        )


def _check_key_options(options: CredentialOptions) -> None:
    name = options.label
    for option in ("passphrase", "privatekey_passphrase"):
        if any(0xD800 <= ord(character) <= 0xDFFF for character in getattr(options, option) or ""):
            raise GridSecurityError(
                "bad_passphrase", f"{name}: {option} holds half of a character, such as \\ud83d alone. Correct it."
            )
    if options.encrypt_privatekey and not options.privatekey_passphrase:
        raise GridSecurityError(
            "no_privatekey_passphrase",
            f"{name}: privatekey_passphrase is missing or empty. Set it, or set encrypt_privatekey: false to store the"
            " key unencrypted.",
        )
    if options.encrypt_privatekey and options.privatekey_format == "traditional":
        raise GridSecurityError(
            "traditional_encrypted",
            f"{name}: privatekey_format: traditional exists for unencrypted keys only, because its encryption is weak."
            " Use pkcs8, or set encrypt_privatekey: false.",
        )
    if options.kdf_iterations < _FEWEST_ITERATIONS:
        raise GridSecurityError("kdf_iterations", f"{name}: kdf_iterations must be at least {_FEWEST_ITERATIONS}.")


def _weaknesses(options: CredentialOptions) -> Iterator[str]:
    if options.encrypt_privatekey and options.kdf_iterations < _FEW_ITERATIONS:
        yield (
            f"kdf_iterations is {options.kdf_iterations}, so the passphrase of the stored key can be guessed fast."
            f" Set it to {_FEW_ITERATIONS} or more; the default is 600000."
        )


def _private_key(pair: key_pair.KeyPair, options: CredentialOptions) -> bytes:
    name = options.label
    info = private_key_info.encode(pair.key, pair.certificate)
    plain = pem.encode("PRIVATE KEY", info)
    tls_pair.check(_pem([pair.certificate]).encode(), plain, key_type=key_pair.type_of(pair.key), name=name)
    if options.encrypt_privatekey:
        return pkcs8.encrypt(info, options.privatekey_passphrase or "", options.kdf_iterations)
    return plain if options.privatekey_format == "pkcs8" else _traditional(pair, name)


def _traditional(pair: key_pair.KeyPair, name: str) -> bytes:
    if private_key_info.is_pss(pair.certificate):
        raise GridSecurityError(
            "no_traditional_form",
            f"{name}: its certificate allows RSA-PSS signatures only, and an RSA-PSS key has no traditional form. Use"
            " privatekey_format: pkcs8, or ask the CA for a certificate with an ordinary RSA key.",
        )
    form = (serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    try:
        encoded: bytes = pair.key.private_bytes(serialization.Encoding.PEM, *form)
    except ValueError:
        raise GridSecurityError(
            "no_traditional_form", f"{name}: a key of this type has no traditional form. Use privatekey_format: pkcs8."
        ) from None
    return encoded


def _check_private_key(written: bytes, certificate: x509.Certificate, options: CredentialOptions) -> None:
    """Open the converted private key as a client would, with other code than the code that wrote it."""
    passphrase = (options.privatekey_passphrase or "").encode() if options.encrypt_privatekey else None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        key = serialization.load_pem_private_key(written, passphrase)
        matches = key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
    except ValueError:
        matches = False
    if not matches:
        raise GridSecurityError(
            "self_check",
            f"{options.label}: the converted private key does not open, or does not belong to the certificate. Report"
            " this.",
        )


def _pem(certificates: Any) -> str:
    return "".join(certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in certificates)


def _chain(leaf: x509.Certificate, others: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
    """Return the issuers of ``leaf``, each after the certificate that it issued: clients fail on another order."""
    chain: list[x509.Certificate] = []
    current = leaf
    while current.issuer != current.subject:
        issuers = [found for found in others if found.subject == current.issuer and found not in chain]
        if not issuers:
            break
        current = issuers[0]
        chain.append(current)
    return chain


def _possible_issuers(leaf: x509.Certificate, others: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
    """Return those ``others`` that may be on a path from ``leaf`` to a CA, chosen by subject and issuer."""
    by_subject: dict[bytes, list[x509.Certificate]] = {}
    for certificate in others:
        by_subject.setdefault(_canonical(certificate.subject), []).append(certificate)
    found: list[x509.Certificate] = []
    todo = [leaf]
    while todo and len(found) < _MOST_ISSUERS:
        issuers = by_subject.pop(_canonical(todo.pop(0).issuer), [])
        found += issuers
        todo += issuers
    return found[:_MOST_ISSUERS]


def _canonical(name: x509.Name) -> bytes:
    """Return :func:`distinguished_name.canonical`, or nothing if the name is damaged."""
    try:
        with safe_x509.explained():
            return distinguished_name.canonical(name.public_bytes())
    except safe_x509.CertificateError:
        return b""


def _der(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()
