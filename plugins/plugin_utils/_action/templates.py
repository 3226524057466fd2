# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the templates in lists of the inventory item by item, so that a mistake in one item costs only that item.

Ansible fills a list as a whole. An undefined variable in the item of one user makes the whole list fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleError
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import plain

__all__ = ["UNREADABLE", "fill_lists", "referred", "trusted"]

UNREADABLE = "__grid_security_unreadable"  # the key for the reason why an item could not be filled
_EXPRESSION = re.compile(r"\s*\{\{(.*)\}\}\s*", re.DOTALL)
_REFERENCE = re.compile(r"\s*\{\{\s*(\w+)\s*\}\}\s*")
_MOST_REFERENCES = 8
_PATHS = ("directory", "cert_path", "privatekey_path", "other_certs_path")
# The fields that are filled separately if an item cannot be filled as a whole.
_KEPT = ("owner", "account", "name", "state", *_PATHS)

Fill = Callable[[Any], Any]


def fill_lists(names: Iterable[str], variables: dict[str, Any], fill: Fill) -> dict[str, list[Any]]:
    """Return the lists among the variables ``names``, filled.

    An item that cannot be filled has the key :data:`UNREADABLE` and the fields that can be filled, such as its owner. A
    list is left out if it is not set, or if it cannot be split into items.

    :param fill: fills templates, or raises :exc:`AnsibleError`.
    """
    filled: dict[str, list[Any]] = {}
    for name in names:
        items = _items(referred(variables.get(name), variables), fill)
        if items is not None:
            # Filled items must not be filled again: a passphrase may look like a template.
            filled[name] = [wrap_var(_filled(item, fill)) for item in items]
    return filled


def referred(value: Any, variables: dict[str, Any]) -> Any:
    """Return the value of a variable, if a template is only its name. Several such templates are followed."""
    for _step in range(_MOST_REFERENCES):
        match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if not match or match.group(1) not in variables:
            break
        value = variables[match.group(1)]
    return value


def _items(value: Any, fill: Fill) -> list[Any] | None:
    """Return the items, not filled. For an expression, such as a sum of lists, return a template for each item."""
    if isinstance(value, list):
        return value
    match = _EXPRESSION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    try:
        number = int(fill(_like(value, f"{{{{ ({match.group(1)}) | length }}}}")))
    except (AnsibleError, ValueError):  # ansible-core before 2.19 fills all items to count them
        return None
    return [_like(value, f"{{{{ ({match.group(1)})[{index}] }}}}") for index in range(number)]


def trusted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of our own tables, with the texts that are templates trusted as such."""
    templates = {name: _trusted(value) for name, value in values.items() if isinstance(value, str) and "{{" in value}
    return {**values, **templates}


def _trusted(text: str) -> str:
    """Return ``text`` as a template that ansible fills; before ansible-core 2.19 every text is."""
    try:
        from ansible.template import trust_as_template  # pylint: disable=import-outside-toplevel
    except ImportError:
        return text
    template: str = trust_as_template(text)
    return template


def _like(template: str, text: str) -> str:
    """Return ``text`` as a template that is trusted if ``template`` is; before ansible-core 2.19 every text is."""
    try:
        from ansible.template import is_trusted_as_template  # pylint: disable=import-outside-toplevel
    except ImportError:
        return text
    return _trusted(text) if is_trusted_as_template(template) else text


def _filled(item: Any, fill: Fill) -> Any:
    try:
        return plain(fill(item))
    except AnsibleError as error:
        return {UNREADABLE: _cause(error), **_readable(item, fill)}


def _readable(item: Any, fill: Fill) -> dict[str, Any]:
    """Return the fields of the item that can be filled."""
    known: dict[str, Any] = {"line": item} if isinstance(item, str) else {}
    for name in _KEPT:
        try:
            known[name] = plain(fill(_field(item, name)))
        except (AnsibleError, KeyError):
            continue
    if isinstance(item, dict) and any(name in item and name not in known for name in ("owner", *_PATHS)):
        known.pop("state", None)  # without owner and paths it is unknown which files should be absent
    return known


def _field(item: Any, name: str) -> Any:
    """Return a field of a dictionary, or a template for the field of an expression."""
    if isinstance(item, dict):
        return item[name]
    match = _EXPRESSION.fullmatch(str(item))
    if not match:
        raise KeyError(name)
    return _like(item, f"{{{{ ({match.group(1)}).{name} }}}}")


def _cause(error: AnsibleError) -> str:
    """Return the first line of the error. The other lines quote the inventory."""
    first = str(error).strip().splitlines()[0].rstrip(".")
    cause = ". ".join(dict.fromkeys(first.split(". ")))  # ansible-core 2.16 repeats sentences
    return f"a template in it cannot be filled: {cause}. Define what is missing, or correct the name."
