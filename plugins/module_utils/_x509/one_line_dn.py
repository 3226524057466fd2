# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""Read DNs in the forms that sites write, and compare OpenSSL one-line DNs as Globus does.

A DN has many forms. Grid software compares the form that X509_NAME_oneline of OpenSSL 1.1 prints, such as
``/DC=org/DC=example/CN=host/se.example.org``. This module can recognize the following forms, and reads them, too:

- X509_NAME_oneline since OpenSSL 3.0 (``-nameopt compat``): ``/DC=org/DC=example/CN=host\/se.example.org``. In a value
  ``/`` and ``+`` have a backslash, and ``+`` joins the attributes of one part.
- ``openssl x509 -subject`` of OpenSSL 1.1 to 3.1: ``DC = org, DC = example, CN = se.example.org``. Only OpenSSL writes
  spaces around the equals sign.
- ``openssl x509 -subject`` since OpenSSL 3.2: ``DC=org, DC=example, CN=se.example.org``. Java and many pages write the
  opposite order in the same form. So the place of C or DC, the most general parts, decides about the order.
- RFC 4514 (RFC 2253): ``CN=se.example.org,DC=example,DC=org``, the most special part first.

Some CAs have a DN with C at its end. Write such a DN in one line, or with spaces around the equals sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.grid.security.plugins.module_utils._x509 import attribute_names

__all__ = ["DnError", "comparable", "is_same", "plain", "printable", "read", "spellings"]

_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = str.maketrans(_UPPER, _UPPER.lower())
# These spellings of an attribute are the same to Globus (globus_i_gsi_cert_utils_dn_cmp).
_SPELLINGS = (("/e=", "/emailaddress="), ("/email=", "/emailaddress="), ("/userid=", "/uid="))
# Attributes by their names in lower case: the names of OpenSSL, RFC 4514, Java and Windows.
_SHORT_NAMES = {name.lower(): name for name in attribute_names.SHORT_NAMES.values() if name != "uid"} | {
    "e": "emailAddress",
    "email": "emailAddress",
    "userid": "UID",
    "surname": "SN",
    "givenname": "GN",
    "s": "ST",
}
_TYPE = r"([A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)"
_SEPARATOR = re.compile(rf"/(?:{_TYPE}=)?")
_PLUS = re.compile(rf"(?<!\\)\+{_TYPE}=")
_ESCAPED = re.compile(r"\\([/+])")
_PART = re.compile(
    rf"\s*(?:OID\.)?{_TYPE}( ?= ?)"  # the attribute
    r'("(?:[^\\"]|\\.)*"|(?:[^\\",+]|\\.)*?) *([,+]|$)',  # the value, and the separator
    re.IGNORECASE | re.DOTALL,
)
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2})|\\(.)", re.DOTALL)
_UNESCAPED = re.compile(r"(?<!\\), ")  # a separator of OpenSSL 3.2 and later, which escapes nothing
_HEXADECIMAL = re.compile("#(?:[0-9A-Fa-f]{2})+")
_LONGEST = 4096  # characters of a DN
_GENERAL = ("C", "DC")


class DnError(ValueError):
    """Report why a text is no DN, with the form to write."""


# --- comparing --------------------------------------------------------------------------------------------------------


def comparable(dn: str) -> str:
    """Return the DN in a single spelling. DNs that are the same to Globus give equal texts."""
    spelled = dn.translate(_LOWER)
    for spelling, usual in _SPELLINGS:
        spelled = spelled.replace(spelling, usual)
    return spelled


def plain(dn: str) -> str:
    """Return an OpenSSL one-line DN in the spelling of OpenSSL 1.1. :param dn: in the spelling of any version."""
    return _ESCAPED.sub(r"\1", _PLUS.sub(_separated, dn)) if "\\" in dn or "+" in dn else dn


def _separated(joined: re.Match[str]) -> str:
    return f"/{joined[1]}=" if _is_attribute(joined[1]) else joined[0]


def _is_attribute(name: str) -> bool:
    return name[0].isdigit() or name.lower() in _SHORT_NAMES


def spellings(dn: str) -> list[str]:
    """Return an OpenSSL one-line DN in the spellings of OpenSSL 1.1 and OpenSSL 3; a single text if both are equal.

    :param dn: in the spelling of OpenSSL 1.1.
    """
    return list(dict.fromkeys([dn, _SEPARATOR.sub(_escaped, dn).replace("+", r"\+")]))


def _escaped(found: re.Match[str]) -> str:
    """Return a separator unchanged, and a slash in a value with a backslash. ``/*`` is treated as a separator."""
    separates = _is_attribute(found[1]) if found[1] else found.string.startswith("*", found.end())
    return found[0] if separates else rf"\{found[0]}"


def is_same(first: str, second: str) -> bool:
    """Return whether two OpenSSL one-line DNs are the same to Globus, in the spelling of any version of OpenSSL."""
    return comparable(plain(first)) == comparable(plain(second))


def printable(value: bytes) -> str:
    """Return the bytes of a value as OpenSSL prints them: bytes that are not printable ASCII as ``\\xNN``."""
    return "".join(chr(byte) if 0x20 <= byte <= 0x7E else f"\\x{byte:02X}" for byte in value)


# --- reading ----------------------------------------------------------------------------------------------------------


def read(text: str) -> str:
    """Return a DN in any form of this module as an OpenSSL one-line DN, in the spelling of OpenSSL 1.1.

    Asterisks do not change, so ``text`` may be a pattern.

    :raises DnError: the text is no DN, or its form has two meanings.
    """
    if text.startswith("/"):
        return plain(text)
    if "/" in text and ("," not in text or any(one[1] and _is_attribute(one[1]) for one in _SEPARATOR.finditer(text))):
        raise _unknown(text, "does not start with a slash")
    attributes = _attributes(text)
    if not _is_general_first(text, attributes):
        attributes.reverse()
    return "".join(f"/{one.name}={one.value}" for one in attributes)


@dataclass(frozen=True)
class _Attribute:
    """Hold an attribute in OpenSSL's spelling. :param spaced: whether spaces stand around its equals sign.

    :param joined: whether the next attribute belongs to the same part.
    """

    name: str
    value: str
    spaced: bool
    joined: bool


def _attributes(text: str) -> list[_Attribute]:
    found = []
    start, last = 0, ","
    while len(text) <= _LONGEST and last:
        match = _PART.match(text, start)
        if not match:
            break
        name, equals, value, last = match.groups()
        found.append(_Attribute(_short_name(name, text), _value(value, text), equals == " = ", last == "+"))
        start = match.end()
    if last or not found:
        raise _unknown(text, "is no DN in a form that is understood")
    return found


def _short_name(name: str, text: str) -> str:
    known = attribute_names.SHORT_NAMES.get(name) if name[0].isdigit() else _SHORT_NAMES.get(name.lower())
    if known is None and not name[0].isdigit():
        raise _unknown(text, f"has {name}, which is no attribute that OpenSSL knows")
    return known or name


def _value(written: str, text: str) -> str:
    """Convert a value of RFC 4514, or in OpenSSL's quotation marks, to the form of the OpenSSL one-line DN."""
    if _HEXADECIMAL.fullmatch(written):
        raise _unknown(text, f"has the value {written} in hexadecimal digits")
    bare = written[1:-1] if written.startswith('"') else written
    return printable(_ESCAPE.sub(_unescaped, bare.encode(errors="surrogatepass")))


def _unescaped(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)]) if escape[1] else escape[2]


def _is_general_first(text: str, attributes: list[_Attribute]) -> bool:
    """Return whether the most general part is the first part."""
    first, last = (attributes[number].name in _GENERAL for number in (0, -1))
    if all(one.spaced for one in attributes) or len(attributes) == 1:
        return True
    has_spaces = bool(_UNESCAPED.search(text))
    if first and not last and has_spaces:
        if re.search(r'["\\]', text):
            raise _unknown(text, "has a backslash or quotation mark, which OpenSSL 3.2 prints otherwise than Java")
        return True
    if first or not last:
        raise _unknown(text, "does not show whether its most general part stands first or last")
    if any(one.joined for one in attributes):
        raise _unknown(text, "has a plus sign between two attributes")
    return False


def _unknown(text: str, why: str) -> DnError:
    return DnError(
        f"{text[:_LONGEST]!r} {why}. Write the DN as openssl x509 -noout -subject -nameopt compat prints it, such as"
        " /DC=org/DC=example/CN=Alice"
    )
