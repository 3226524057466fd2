# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out why cryptography does not read a certificate."""

from __future__ import annotations

import re

from ansible_collections.grid.security.plugins.module_utils._x509 import crl, der, distinguished_name, safe_x509

try:
    import cryptography
except ImportError:  # reported by key_pair.check_cryptography, which comes first
    pass

__all__ = ["find"]

_FORMS = {  # RFC 5280, 4.1.2.5
    der.UTC_TIME: ("a UTCTime", "YYMMDDhhmmssZ", re.compile(rb"\d{12}Z")),
    der.GENERALIZED_TIME: ("a GeneralizedTime", "YYYYMMDDhhmmssZ", re.compile(rb"\d{14}Z")),
}
_FIELD = re.compile(r"\"(?:\w+::)?(\w+)\"")
_WORDS = {  # cryptography's names of fields
    "serial": "the serial number",
    "signature_alg": "the algorithm of its signature, or the parameters of that",
    "issuer": "its issuer",
    "subject": "its subject",
    "spki": "its public key, or the parameters of that",
    "raw_extensions": "its extensions",
}
_MOST = 300  # characters that are quoted


def find(data: bytes) -> tuple[str, str] | None:
    """Return the error code and the sentence for a certificate in DER; None if cryptography reads it."""
    try:
        safe_x509.load(data)
        return None
    except safe_x509.CertificateError as error:
        return "malformed", (
            f"cryptography {cryptography.__version__} does not read {_called(data)}: {_fault(data) or _quoted(error)}."
            " Ask the CA for another certificate, or export the archive without this one."
        )


def _called(data: bytes) -> str:
    try:
        subject = distinguished_name.der_one_line(_fields(data)[4].encoded())
    except (ValueError, IndexError):
        return "one of its certificates"
    return f"the certificate of {_shortened(subject)}"


def _fields(data: bytes) -> list[der.Element]:
    """Return serial number, algorithm, issuer, validity, subject and the following fields."""
    fields = list(der.read(data).child(0).children)
    return fields[1:] if fields and fields[0].tag == der.CONTEXT_0 else fields


def _fault(data: bytes) -> str | None:
    try:
        validity = _fields(data)[3]
        faults = [_fault_of_time(what, validity.child(at)) for at, what in enumerate(("notBefore", "notAfter"))]
    except (ValueError, IndexError):
        return "it is damaged"
    return next((fault for fault in faults if fault), None)


def _fault_of_time(what: str, time: der.Element) -> str | None:
    if time.tag not in _FORMS:
        return f"its {what} is no time"
    kind, form, pattern = _FORMS[time.tag]
    text = time.content.decode("ascii", "replace")
    if not pattern.fullmatch(time.content):
        return f"its {what} is {_shortened(text)!r}, and the form of {kind} is {form}"
    try:
        crl.time_of(time)
    except ValueError:
        return f"its {what} is {text}, and there is no such time"
    return None


def _quoted(error: Exception) -> str:
    """Return cryptography's words, or the name of the field if the words are those of its ASN.1 reader."""
    if "ParseError" not in str(error):
        return _shortened(str(error).rstrip("."))
    fields = _FIELD.findall(str(error))
    if not fields:  # cryptography 36 does not name the field
        return "it does not understand one of its fields"
    known = [_WORDS[field] for field in fields if field in _WORDS]
    return f"it does not understand {known[0] if known else 'the field ' + '.'.join(fields)}"


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"
