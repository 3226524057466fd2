# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Just enough of X.509 certificates (RFC 5280) for a node, with the standard library. No signature is checked here."""

from __future__ import annotations

from ansible_collections.grid.security.plugins.module_utils import der, pem

__all__ = ["PEM_LABEL", "alone", "first", "is_ca"]

PEM_LABEL = "CERTIFICATE"
_LARGEST = 1 << 16  # bytes; host certificates with hundreds of names have some 20 KiB
_BIT_STRING = 0x03
_EXPLICIT_3 = 0xA3
_BOOLEAN = 0x01
_BASIC_CONSTRAINTS = "2.5.29.19"


def first(content: bytes) -> bytes | None:
    """The DER of the first certificate in PEM, or of the one in DER, as :func:`alone` returns it."""
    return alone((pem.first(content, PEM_LABEL) or b"") if b"-----BEGIN " in content else content)


def alone(data: bytes) -> bytes | None:
    """The certificate at the start of ``data``, without what follows it; None if there is none.

    Other things that are kept in DER, private keys above all, have other parts.
    """
    try:
        certificate = der.first(data)
        parts = [one.tag for one in der.split(next(der.split(certificate)).content)]
    except (der.DerError, StopIteration):
        return None
    usual = parts == [der.SEQUENCE, der.SEQUENCE, _BIT_STRING] and len(certificate) <= _LARGEST
    return certificate if usual else None


def is_ca(certificate: bytes) -> bool:
    """Whether a certificate in DER says that it is a CA's; one that says nothing is, if it is self-issued.

    The roots of the grid's first years say nothing.
    """
    try:
        fields = list(der.split(next(der.split(next(der.split(certificate)).content)).content))
        if fields[0].tag == der.CONTEXT_0:  # the version, which the oldest lack
            fields = fields[1:]
        constraints = _basic_constraints(fields[-1]) if fields[-1].tag == _EXPLICIT_3 else None
        if constraints is None:
            return fields[2].content == fields[4].content
        flag = constraints.children[:1]
        return bool(flag) and flag[0].tag == _BOOLEAN and any(flag[0].content)
    except (ValueError, IndexError, StopIteration):
        return False


def _basic_constraints(extensions: der.Element) -> der.Element | None:
    for extension in der.read(extensions.content).children:
        if extension.child(0).oid() == _BASIC_CONSTRAINTS:
            return der.read(extension.children[-1].octets())
    return None
