# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential: what an archive or a key pair becomes, and the rules for putting it in place of another one."""

from __future__ import annotations

import base64
import datetime
import hashlib
from typing import Any

from ansible_collections.grid.security.plugins.module_utils import (
    bounded,
    crl,
    keypair,
    names,
    pem_pair,
    pkcs8,
    pkcs12,
    safe_x509,
)
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError

try:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
except ImportError:  # reported by keypair.check_cryptography, which comes first
    pass

__all__ = [
    "FILES",
    "contents",
    "days_left",
    "days_until",
    "describe",
    "expiry",
    "explain_certificate",
    "outline",
    "present",
    "render",
    "rendering",
    "review",
]

FILES = ("certificate", "privatekey", "other_certs")

_MINIMUM_ROUNDS = 1000  # RFC 8018 section 4.2
_SECONDS = 10  # of processor time to open an archive that asks for hardly any rounds
_ROUNDS_PER_SECOND = 100_000  # of slow machines, by a wide margin: each candidate of a passphrase is tried


def render(data: bytes, options: dict[str, Any], name: str, privatekey: bytes | None = None) -> dict[str, Any]:
    """The files and facts that an archive gives: a pure function of archive, passphrases and options.

    :param data: a PKCS#12 archive, or PEM certificates if there is a ``privatekey`` (PEM) beside them.
    :param options: the options of one credential of ``pkcs12_pem``.
    :param name: what to call the archive in messages.
    :returns: ``certificate``, ``privatekey`` and ``other_certs`` (PEM text), ``facts``, ``warnings``.
    :raises GridSecurityError: ``bad_passphrase``, ``no_privatekey_passphrase``, ``traditional_encrypted``,
        ``kdf_iterations``, ``wrong_host``, ``malformed``, ``no_traditional_form`` or ``self_check``, and the kinds of
        :func:`pkcs12.load`, :func:`pem_pair.load` and :func:`bounded.run`.
    """
    return bounded.run(rendering(data, options, name, privatekey))


def rendering(data: bytes, options: dict[str, Any], name: str, privatekey: bytes | None = None) -> bounded.Job:
    """The same as a job, for many at a time; its limit grows with the rounds that the options allow."""
    seconds = _SECONDS + (options["max_kdf_iterations"] + options["kdf_iterations"]) // _ROUNDS_PER_SECOND
    return bounded.Job(lambda: _render(data, options, name, privatekey), seconds, name)


def outline(rendered: dict[str, Any]) -> dict[str, Any]:
    """What :func:`render` returned, with ``files`` (digest and size by name) in place of their contents."""
    files = {}
    for name in FILES:
        content = rendered[name].encode()
        files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    return {"files": files, "facts": rendered["facts"], "warnings": rendered["warnings"]}


def contents(rendered: dict[str, Any]) -> dict[str, str]:
    """The files that :func:`render` returned: Base64 by SHA-256, as the engine takes them."""
    encoded = [rendered[name].encode() for name in FILES]
    return {hashlib.sha256(content).hexdigest(): base64.b64encode(content).decode() for content in encoded}


def _render(data: bytes, options: dict[str, Any], name: str, privatekey: bytes | None) -> dict[str, Any]:
    _check_key_options(options, name)
    pair = _open(data, privatekey, options, name)
    _check_host(pair.certificate, options["dns_name"], name)
    chain = _chain(pair.certificate, pair.others) if options["include_chain"] else []
    private_key = _private_key(pair.key, options, name)
    if options["check_privatekey"]:
        _check_private_key(private_key, pair.certificate, options, name)
    return {
        "certificate": _pem([pair.certificate, *chain]),
        "privatekey": private_key.decode(),
        "other_certs": _pem(pair.others),
        "facts": describe(pair.certificate),
        "warnings": [f"{name}: {warning}" for warning in pair.warnings],
    }


def _open(data: bytes, privatekey: bytes | None, options: dict[str, Any], name: str) -> keypair.KeyPair:
    passphrase, limit = options["passphrase"], options["max_kdf_iterations"]
    if privatekey is None:
        return pkcs12.load(data, passphrase, name=name, max_kdf_iterations=limit)
    return pem_pair.load(data, privatekey, passphrase, name=name, max_kdf_iterations=limit)


def _check_host(certificate: x509.Certificate, dns_name: str | None, name: str) -> None:
    """A certificate of another host is a common mistake, and clients tell it by "authorization denied"."""
    if not dns_name:
        return
    try:
        known = names.dns_names(certificate)
    except safe_x509.CertificateError as error:
        raise GridSecurityError(
            "malformed", f"{name}: the names of hosts in its certificate are damaged ({error}). Ask for another."
        ) from None
    if not any(names.covers(pattern, dns_name) for pattern in known):
        raise GridSecurityError(
            "wrong_host",
            f"{name}: it is for {', '.join(known) or names.slash_form(certificate.subject)}, not for {dns_name}. Name"
            " the credential of this host, or correct dns_name.",
        )


def _check_key_options(options: dict[str, Any], name: str) -> None:
    for option in ("passphrase", "privatekey_passphrase"):
        if any(0xD800 <= ord(character) <= 0xDFFF for character in options[option] or ""):
            raise GridSecurityError(
                "bad_passphrase", f"{name}: {option} holds half of a character, such as \\ud83d alone. Correct it."
            )
    if options["encrypt_privatekey"] and not options["privatekey_passphrase"]:
        raise GridSecurityError(
            "no_privatekey_passphrase",
            f"{name}: privatekey_passphrase is missing or empty. Set it, or say encrypt_privatekey: false to store the"
            " key unencrypted.",
        )
    if options["encrypt_privatekey"] and options["privatekey_format"] == "traditional":
        raise GridSecurityError(
            "traditional_encrypted",
            f"{name}: privatekey_format: traditional exists for unencrypted keys only, because its encryption is weak."
            " Use pkcs8, or say encrypt_privatekey: false.",
        )
    if options["kdf_iterations"] < _MINIMUM_ROUNDS:
        raise GridSecurityError("kdf_iterations", f"{name}: kdf_iterations must be at least {_MINIMUM_ROUNDS}.")


def _private_key(key: Any, options: dict[str, Any], name: str) -> bytes:
    if options["encrypt_privatekey"]:
        info = _encode_key(key, serialization.Encoding.DER, serialization.PrivateFormat.PKCS8)
        return pkcs8.encrypt(info, options["privatekey_passphrase"], options["kdf_iterations"])
    if options["privatekey_format"] == "pkcs8":
        return _encode_key(key, serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    try:
        return _encode_key(key, serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
    except ValueError:
        raise GridSecurityError(
            "no_traditional_form", f"{name}: a key of this type has no traditional form. Use privatekey_format: pkcs8."
        ) from None


def _check_private_key(pem: bytes, certificate: x509.Certificate, options: dict[str, Any], name: str) -> None:
    """Open what is to be placed as a client would: the check of the writer by a reader that did not write it."""
    passphrase = options["privatekey_passphrase"].encode() if options["encrypt_privatekey"] else None
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        key = serialization.load_pem_private_key(pem, passphrase)
        matches = key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
    except ValueError:
        matches = False
    if not matches:
        raise GridSecurityError(
            "self_check",
            f"{name}: the key as it would be placed does not open, or does not belong to the certificate. Report this.",
        )


def _encode_key(key: Any, encoding: Any, form: Any) -> bytes:
    encoded: bytes = key.private_bytes(encoding, form, serialization.NoEncryption())
    return encoded


def _pem(certificates: Any) -> str:
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def _chain(leaf: x509.Certificate, others: tuple[x509.Certificate, ...]) -> list[x509.Certificate]:
    """The certificates that lead from ``leaf`` upwards, in that order: clients fail on any other."""
    chain: list[x509.Certificate] = []
    current = leaf
    while current.issuer != current.subject:
        following = [one for one in others if one.subject == current.issuer and one not in chain]
        if not following:
            break
        current = following[0]
        chain.append(current)
    return chain


def describe(certificate: x509.Certificate) -> dict[str, str]:
    """The facts about a certificate that results carry; times in UTC, ISO 8601."""
    with safe_x509.explained():
        return _describe(certificate)


def _describe(certificate: x509.Certificate) -> dict[str, str]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "subject_dn": names.slash_form(certificate.subject),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": crl.iso(_time(certificate, "not_valid_before")),
        "not_after": crl.iso(expiry(certificate)),
        "sha256_fingerprint": certificate.fingerprint(hashes.SHA256()).hex(":"),
    }


def _time(certificate: x509.Certificate, name: str) -> datetime.datetime:
    # cryptography 42 added the forms that know their time zone, and deprecates the others.
    value: datetime.datetime = getattr(certificate, f"{name}_utc", None) or getattr(certificate, name)
    return value.replace(tzinfo=datetime.timezone.utc)


def expiry(certificate: x509.Certificate) -> datetime.datetime:
    """The end of a certificate's validity, in UTC."""
    return _time(certificate, "not_valid_after")


def days_left(facts: dict[str, str]) -> int:
    """Whole days until the certificate that :func:`describe` described expires; negative when it has."""
    return days_until(crl.parse_iso(facts["not_after"]))


def days_until(moment: datetime.datetime) -> int:
    """Whole days from now; negative when it has passed."""
    return (moment - _now()).days


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def present(content: bytes) -> dict[str, str] | None:
    """The facts about the certificate in a file on the node, or None if there is none that can be read."""
    try:
        return describe(safe_x509.load(content))
    except safe_x509.CertificateError:
        return None


def review(facts: dict[str, str], before: dict[str, str] | None, options: dict[str, Any], name: str) -> None:
    """Refuse to put a credential in place that is no good, or worse than the one that is there.

    :param facts: of the new certificate. :param before: of the one in place, if any.
    :raises GridSecurityError: ``expired``, ``not_yet_valid``, ``subject_change`` or ``older``.
    """
    _review_validity(facts, options, name)
    if before is None or before["sha256_fingerprint"] == facts["sha256_fingerprint"]:
        return
    if before["subject"] != facts["subject"] and not options["allow_subject_change"]:
        raise GridSecurityError(
            "subject_change",
            f"{name}: it is for {facts['subject_dn']}, but the certificate in place is for {before['subject_dn']}."
            " If the change of subject is intended, say allow_subject_change: true.",
        )
    if facts["not_before"] < before["not_before"] and not options["allow_older"]:
        raise GridSecurityError(
            "older",
            f"{name}: it is older (issued {facts['not_before'][:10]}) than the certificate in place"
            f" ({before['not_before'][:10]}). To go back to it, say allow_older: true.",
        )


def _review_validity(facts: dict[str, str], options: dict[str, Any], name: str) -> None:
    now = _now()
    if crl.parse_iso(facts["not_after"]) < now and not options["allow_expired"]:
        raise GridSecurityError(
            "expired",
            f"{name}: the certificate expired on {facts['not_after'][:10]}. Ask the authority for a new one, or say"
            " allow_expired: true.",
        )
    if crl.parse_iso(facts["not_before"]) > now and not options["allow_not_yet_valid"]:
        raise GridSecurityError(
            "not_yet_valid",
            f"{name}: the certificate is not valid before {facts['not_before']}. Wait until then, check the clock, or"
            " say allow_not_yet_valid: true.",
        )


def explain_certificate(facts: dict[str, str], before: dict[str, str] | None) -> str:
    """One line that says why a certificate was replaced."""
    if before is None:
        return f"certificate installed, valid until {facts['not_after'][:10]}"
    if before["sha256_fingerprint"] == facts["sha256_fingerprint"]:
        return "certificate file rewritten"
    if before["subject"] != facts["subject"]:
        return f"subject changed: {before['subject_dn']} → {facts['subject_dn']}"
    return f"certificate renewed: {before['not_after'][:10]} → {facts['not_after'][:10]}"
