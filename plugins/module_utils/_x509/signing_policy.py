# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""Read and write signing policies in the EACL form of Globus. A signing policy lists the subjects that a CA may sign.

A policy is ``access_id_CA X509 '<DN>'``, ``pos_rights globus CA:sign`` and ``cond_subjects globus '"<pattern>" ...'``.
These rules are from the source of Globus (``globus_oldgaa_utils.c``, ``oldgaa_utils.c``) and from tests with Debian's
libglobus_oldgaa. The functional tests compare with this library:

- A policy consists of words, not of lines. A word that starts with ``#`` is a comment, up to the end of its line.
- A word that starts with ``'`` ends at the next ``'``. In such a word, a backslash removes the meaning of the next
  character. So ``\'`` is a quotation mark, ``\\`` a backslash, and ``\xC3`` is ``xC3``. Globus refuses a file that ends
  with such a word, without a line break.
- In a pattern, the same rule applies once more. There, a backslash, ``x`` and two hexadecimal digits are one byte.
- If a pattern has a line break, or a backslash and ``x`` without these digits, Globus drops the whole condition, and
  the CA may sign any subject. This module refuses such a policy.
- Several ``pos_rights`` add up. Several ``cond_subjects`` of the same ``pos_rights`` must all match.
- A right without conditions applies to all subjects. A right with other conditions is never granted.
- Quotation marks of another kind around the DN of the CA are part of the DN.

Java clients (CANL) read lines, and do not know backslashes. So a policy with a quotation mark works in Globus only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn

__all__ = ["PolicyError", "allows", "check", "complete", "compose", "parse", "patterns_of"]

_MOST_SHOWN = 200  # characters of a pattern in messages
_ANYBODY = "access_id_ANYBODY"
_PRINCIPALS = ("access_id_CA", _ANYBODY, "access_id_USER", "access_id_GROUP", "access_id_HOST", "access_id_APPLICATION")
_RIGHTS = ("pos_rights", "neg_rights")
_GRANT = ("pos_rights", "globus", "CA:sign")
_SUBJECTS = ("cond_subjects", "globus")
_WORD = re.compile(r"[^ \t\n\v\f\r]+")
_QUOTED = re.compile(r"'([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PATTERN = re.compile(r'[^ \t"][^"]*')
_PATTERN_TEXT = re.compile(r"(?:[^\\\n]|\\[^x]|\\x[0-9A-Fa-f]{2})*\\?", re.DOTALL)
_PATTERN_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|(.?))", re.DOTALL)


class PolicyError(ValueError):
    """Report a fault of a policy, in words that fit after its name."""


# --- writing ----------------------------------------------------------------------------------------------------------


def compose(dn: str, patterns: list[str]) -> str:
    """Return a policy that allows a CA to sign subjects that match one of ``patterns``.

    OpenSSL 3.0 prints some DNs in another spelling than OpenSSL 1.1. The policy has both spellings.

    :param dn: the OpenSSL one-line DN of the CA.
    :param patterns: DNs in any form of :mod:`one_line_dn`; they may have ``*``.
    :raises PolicyError: a pattern is no DN, or has a line break.
    """
    rights = f"pos_rights globus CA:sign\ncond_subjects globus {_subjects(patterns)}\n"
    return "".join(f"access_id_CA X509 {_quoted(spelling)}\n{rights}" for spelling in one_line_dn.spellings(dn))


def _subjects(patterns: list[str]) -> str:
    spelled = dict.fromkeys(spelling for pattern in patterns for spelling in _spellings(pattern))
    escaped = (one.replace("\\", r"\\").replace('"', r"\x22") for one in spelled)
    return _quoted(" ".join(f'"{one}"' for one in escaped))


def _spellings(pattern: str) -> list[str]:
    if not pattern.isprintable():
        raise PolicyError(f"{pattern!r} holds a line break or another character that is not printable")
    try:
        found = one_line_dn.spellings(one_line_dn.read(pattern))
    except one_line_dn.DnError as error:
        raise PolicyError(str(error)) from None
    # A slash before an asterisk surely belongs to a value only if it is written with a backslash.
    return [*found, pattern] if pattern.startswith("/") else found


def _quoted(text: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"


def complete(policy: bytes) -> bytes:
    """Return the policy with a line break at its end. Without one, Globus refuses it."""
    return policy if policy.endswith(b"\n") else policy + b"\n"


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass
class _Right:
    """Hold a right of a CA. :param granted: its three words. :param conditions: three words each; all must be true."""

    granted: tuple[str, str, str]
    conditions: list[tuple[str, str, str]] = field(default_factory=list)


def parse(text: str) -> dict[str, list[str]]:
    """Return the subject patterns of each CA by its DN, as Globus reads the policy.

    A policy for any CA has the DN ``*``. A CA without rights has no patterns.

    :raises PolicyError: Globus refuses the policy, or would accept any subject because of a mistake in it.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for dn, rights in _Reader(text).entries():
        _dn, patterns = found.setdefault(one_line_dn.comparable(dn), (dn, []))
        patterns += [pattern for right in rights for pattern in _granted(right)]
    return dict(found.values())


def check(policy: bytes, dn: str) -> None:
    """Check that a policy allows the CA ``dn`` to sign certificates.

    :raises PolicyError: the policy does not allow this, or it cannot be read.
    """
    patterns = patterns_of(parse(policy.decode(errors="replace")), dn)
    if patterns is None:
        raise PolicyError(f"it does not name its CA, {dn}")
    if not patterns:
        raise PolicyError(
            "it lets the CA sign nothing. Write pos_rights globus CA:sign, and cond_subjects globus below"
        )


class _Reader:
    """Read a policy word by word. ``_word`` is the next word, or empty, and ``_start`` its place in the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = self._end = 0
        self._word = ""
        self._advance()

    def entries(self) -> Iterator[tuple[str, list[_Right]]]:
        """Yield the DN of each CA, and its rights."""
        if not self._word:
            raise PolicyError(f"it ends before {_PRINCIPALS[0]}")
        while self._word:
            dn = self._principal(_PRINCIPALS[0])
            while self._word not in _RIGHTS:
                yield dn, []  # rights belong to the last CA
                dn = self._principal(_RIGHTS[0])
            rights = []
            while self._word and not self._word.startswith(("access_", "grantor_")):
                rights += self._rights()
            yield dn, rights

    def _principal(self, wanted: str) -> str:
        kind = self._take(wanted, _PRINCIPALS)
        if kind == _ANYBODY:
            return "*"
        authority, dn = self._take("X509"), self._take("a DN")
        return dn if (kind, authority) == (_PRINCIPALS[0], "X509") else f"{kind} {authority} {dn}"

    def _rights(self) -> list[_Right]:
        """Read rights and the conditions after them. The conditions belong to the first right."""
        rights = [self._right()]
        while self._word in _RIGHTS:
            rights.append(self._right())
        while self._word.startswith("cond_"):
            condition = (self._take("cond_subjects"), self._take("globus"), self._take("patterns"))
            rights[0].conditions.append(condition)
        return rights

    def _right(self) -> _Right:
        return _Right((self._take(_RIGHTS[0], _RIGHTS), self._take("globus"), self._take("CA:sign")))

    def _take(self, wanted: str, choice: tuple[str, ...] = ()) -> str:
        """Return the next word, and advance.

        :param wanted: the word's name in messages. :param choice: the allowed words; empty: any word.
        """
        if not self._word:
            raise PolicyError(f"it ends before {wanted}")
        if choice and self._word not in choice:
            raise PolicyError(f"line {self._line()} should be {wanted}")
        taken = self._word
        self._advance()
        return taken

    def _advance(self) -> None:
        self._word = ""
        while match := _WORD.search(self._text, self._end):
            self._start = match.start()
            word = self._quoted(match) if match.group().startswith("'") else self._plain(match)
            if not word.startswith("#"):
                self._word = word
                return
            newline = self._text.find("\n", self._end)
            self._end = len(self._text) if newline < 0 else newline

    def _plain(self, match: re.Match[str]) -> str:
        self._end = match.end()
        return match.group()

    def _quoted(self, match: re.Match[str]) -> str:
        """Return the text between the quotation marks. Globus drops text that follows them without a space."""
        quoted = _QUOTED.match(self._text, match.start())
        if not quoted:
            raise PolicyError(f"line {self._line()} has a quotation mark ' that is not closed")
        self._end = max(match.end(), quoted.end())
        if self._end == len(self._text):
            raise PolicyError("it has no line break at its end")
        return _ESCAPE.sub(r"\1", quoted.group(1))

    def _line(self) -> int:
        return self._text.count("\n", 0, self._start) + 1


def _granted(right: _Right) -> list[str]:
    """Return the patterns of the subjects that a right lets the CA sign."""
    if right.granted != _GRANT or any(one[:2] != _SUBJECTS for one in right.conditions):
        return []
    values = list(dict.fromkeys(value for _type, _authority, value in right.conditions))
    if len(values) > 1:
        raise PolicyError("it has two cond_subjects for one pos_rights, and Globus wants both to match. Join them")
    return [_pattern(text) for text in _PATTERN.findall(values[0])] if values else ["*"]


def _pattern(text: str) -> str:
    """Return a pattern without its escapes."""
    if not _PATTERN_TEXT.fullmatch(text):
        raise PolicyError(
            f"Globus drops the condition with the pattern {text[:_MOST_SHOWN]!r}"
            ", because it holds a line break, or \\x without two"
            " hexadecimal digits, and takes any subject"
        )
    return _PATTERN_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)) if escape[1] else escape[2], text)


# --- judging ----------------------------------------------------------------------------------------------------------


def patterns_of(policies: dict[str, list[str]], dn: str) -> list[str] | None:
    """Return the patterns of the CA ``dn``, or None if it has none. Globus uses the first entry for the CA.

    :param policies: the result of :func:`parse`.
    """
    for known, patterns in policies.items():
        if known == "*" or one_line_dn.is_same(known, dn):
            return patterns
    return None


def allows(patterns: list[str], dn: str) -> bool:
    """Return whether the subject matches one of the patterns by the rules of Globus.

    As in Globus, only the last ``*`` of a pattern matches other characters, at least one.
    """
    subjects = [one_line_dn.comparable(spelling) for spelling in one_line_dn.spellings(dn)]
    folded = [one_line_dn.comparable(pattern) for pattern in patterns]
    return any(_matches(pattern, subject) for pattern in folded for subject in subjects)


def _matches(pattern: str, dn: str) -> bool:
    start, star, end = pattern.rpartition("*")
    if not star:
        return pattern == dn
    return len(dn) > len(start) + len(end) and dn.startswith(start) and dn.endswith(end)
