# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replace options by the variables of a role in messages.

Messages use the names of the modules' options. The user of a role sets variables instead, so each message is translated
once, at the end. The table of ``role_options`` says which variable sets which option.
Options are recognized by the words of our messages around them. All other text stays, such as file names and DNs that a
message quotes.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator
from typing import Any

from ansible.errors import AnsibleActionFail

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils._action.role_options import variables

__all__ = ["role_of", "translated", "translated_errors"]

_COLLECTION = "grid.security."
_ITEM = re.compile(r"^credentials\[(\d+)\]((?: for \S+)?: .*)")
_MARK = "- "  # of a line in a list
# The words before and after an option in our messages. Options without an underscore are also ordinary words, so they
# need words on both sides.
_VERB = r"\b(?:[Gg]ive|[Ss]et|[Cc]heck|[Cc]orrect|[Uu]se|[Ll]eave|[Nn]ame|raise|say|in|as|or|and|of) "
_DISTINCTIVE = (
    (rf"(?:^|[;.] |\b(?:in)?to |{_VERB})", r"[ .,;:\[]|$"),  # "set allow_shrink: true", "add it to trust_anchors if"
    (r": ", r": "),  # "alice.p12: trust_anchors: x cannot be read"
)
_EVERYDAY = (
    # "path: x must be an absolute path", "vos[1] (atlas): ", "sources is empty"
    (r"^", r"(?:\[\d+\](?: for \S+| \([\w.-]+\))?)?: | is | must "),
    (_VERB, r"[.,;]|$| (?:or|has|to the one|and content)\b"),  # "Check src.", "Give credentials or entries"
    (r"(?:argument|option|by) '", r"'"),  # in messages of ansible, as is the next pattern
    (r"value of ", r" must"),
)
_LISTS = re.compile(r"(required (?:together|arguments|by '\w+'): )([\w, ]+)")


def role_of(task: Any) -> str | None:
    """Return the role of this collection that a task belongs to; None if there is none."""
    role = getattr(task, "_role", None)
    name = str(role.get_name()) if role else ""
    return name[len(_COLLECTION) :] if name.startswith(_COLLECTION) else None


def translated(role: str | None, result: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a task of ``role``, with the role's variables in messages and warnings."""
    if role is None:
        return result
    for told in _with_messages(result):
        told["msg"] = _translate(role, told["msg"])
    if result.get("warnings"):
        result["warnings"] = [_translate(role, warning) for warning in result["warnings"]]
    return result


@contextlib.contextmanager
def translated_errors(role: str) -> Iterator[None]:
    """Put the role's variables in the messages of errors."""
    try:
        yield
    except GridSecurityError as error:
        raise GridSecurityError(error.error_code, _translate(role, error.message)) from error
    except AnsibleActionFail as error:
        raise AnsibleActionFail(_translate(role, str(error)), result=error.result) from error


def _with_messages(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the result and its items, if they have a message."""
    items = [item for name in ("credentials", "crls", "not_mapped", "services") for item in result.get(name) or []]
    return (item for item in [result, *items] if isinstance(item, dict) and isinstance(item.get("msg"), str))


def _translate(role: str, text: str) -> str:
    return "\n".join(_translate_line(role, line) for line in text.split("\n"))


def _translate_line(role: str, line: str) -> str:
    if line.startswith(_MARK):
        return _MARK + _translate_line(role, line[len(_MARK) :])
    item = _ITEM.match(line)
    if not item:
        return _translate_options(role, line)
    number = int(item[1]) - (role == "host_credential")  # its list starts with the host's credential, then the copies
    if number < 0:
        return _translate_options(role, item[2].removeprefix(": "))
    # An item of a list has options, not variables.
    return f"{variables(role).get('credentials', 'credentials')}[{number}]{item[2]}"


def _translate_options(role: str, line: str) -> str:
    known = variables(role)
    for pattern in _patterns(role):
        line = pattern.sub(lambda match: match[1] + known[match[2]], line)
    return _LISTS.sub(lambda match: match[1] + re.sub(r"\w+", lambda name: known.get(name[0], name[0]), match[2]), line)


@functools.cache
def _patterns(role: str) -> list[re.Pattern[str]]:
    names = sorted(variables(role), key=len, reverse=True)
    distinctive = [name for name in names if "_" in name]
    forms = [*((form, distinctive) for form in _DISTINCTIVE), *((form, names) for form in _EVERYDAY)]
    return [re.compile(rf"({form[0]})({'|'.join(chosen)})(?={form[1]})") for form, chosen in forms if chosen]
