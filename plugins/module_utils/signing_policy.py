# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing policies: which subjects a CA may sign, in the EACL form that Globus reads.

The format is that of Globus's ``globus_gsi_credential`` (oldgaa): lines of ``access_id_CA X509 '<DN>'``, ``pos_rights
globus CA:sign`` and ``cond_subjects globus '"<pattern>" ...'``, in this order, once per CA.
"""

from __future__ import annotations

import re

__all__ = ["PolicyError", "allows", "compose", "is_same_dn", "parse"]

_PATTERN = re.compile(r'"([^"]*)"')
# Globus takes these spellings of an attribute for the same (globus_i_gsi_cert_utils_dn_cmp).
_SPELLINGS = {"/e=": "/emailaddress=", "/email=": "/emailaddress=", "/userid=": "/uid="}
_ORDER = ["access_id_CA", "pos_rights", "cond_subjects"]


class PolicyError(ValueError):
    """What is wrong with a policy, in words that fit behind its name."""


def compose(subject_dn: str, patterns: list[str]) -> str:
    """The policy that lets the CA sign subjects that match one of ``patterns`` (slash form, ``*`` at will).

    :raises PolicyError: a DN or pattern holds a quote or a line break, which the format cannot express.
    """
    for text in (subject_dn, *patterns):
        if not text.startswith("/") or re.search(r"['\"\n\r]", text):
            raise PolicyError(f"{text!r} must start with / and hold no quote or line break")
    subjects = " ".join(f'"{pattern}"' for pattern in patterns)
    return f"access_id_CA X509 '{subject_dn}'\npos_rights globus CA:sign\ncond_subjects globus '{subjects}'\n"


def parse(text: str) -> dict[str, list[str]]:
    """Subject patterns by the DN of the CA that may sign them.

    :raises PolicyError: it is not of the form above.
    """
    policies: dict[str, list[str]] = {}
    expected, authority = 0, ""
    for number, raw in enumerate(text.splitlines(), 1):
        if not raw.strip() or raw.lstrip().startswith("#"):
            continue
        words = raw.split(maxsplit=2)  # no regular expression: it would take long over a line of many spaces
        if len(words) < 3 or words[0] != _ORDER[expected]:
            raise PolicyError(f"line {number} should be {_ORDER[expected]}")
        value = words[2].strip().strip("'")
        if expected == 0:
            authority = value.strip('"')
        elif expected == 1 and value != "CA:sign":
            raise PolicyError(f"line {number} grants {value!r} instead of CA:sign")
        elif expected == 2:
            policies.setdefault(authority, []).extend(_PATTERN.findall(value) or [value])
        expected = (expected + 1) % len(_ORDER)
    if expected or not policies:
        raise PolicyError(f"it ends before {_ORDER[expected]}")
    return policies


def allows(patterns: list[str], dn: str) -> bool:
    """Return whether Globus finds that the subject matches one of the patterns.

    As in Globus, only the last ``*`` of a pattern stands for other characters, at least one of them.
    """
    return any(_matches(_folded(pattern), _folded(dn)) for pattern in patterns)


def is_same_dn(first: str, second: str) -> bool:
    """Return whether Globus treats two DNs as equal. It ignores case and the spelling of Email and UID."""
    return _folded(first) == _folded(second)


def _matches(pattern: str, dn: str) -> bool:
    start, star, end = pattern.rpartition("*")
    if not star:
        return pattern == dn
    return len(dn) > len(start) + len(end) and dn.startswith(start) and dn.endswith(end)


def _folded(dn: str) -> str:
    folded = dn.lower()
    for spelling, usual in _SPELLINGS.items():
        folded = folded.replace(spelling, usual)
    return folded
