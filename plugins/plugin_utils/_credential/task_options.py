# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the options of credentials as a user gives them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential.options import (
    LIST_OPTIONS,
    OPTIONS,
    CredentialOptions,
)
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._action import restarts, templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import Options
from ansible_collections.grid.security.plugins.plugin_utils._trust import trusted_cas

__all__ = ["read_options"]

_OF_LIST = {"credentials", *LIST_OPTIONS}  # the options that no credential has
_EXCLUSIVE = [("src", "content"), ("privatekey_src", "privatekey_content")]


def read_options(arguments: dict[str, Any]) -> list[CredentialOptions]:
    """Return the options of each credential. The options beside ``credentials`` are defaults for its items.

    :raises AnsibleActionFail: the options outside of ``credentials`` are wrong.
    """
    defaults = {name: value for name, value in arguments.items() if name not in _OF_LIST}
    shared = trusted_cas.take_out(defaults) if trusted_cas.OPTIONS.keys() & defaults.keys() else trusted_cas.NONE
    read = _Reading(defaults, shared)
    items = arguments.get("credentials")
    if items is None:
        return [read.options(defaults, _OF_LIST)]
    if not isinstance(items, list):
        raise AnsibleActionFail("credentials must be a list of dictionaries.")
    complete = [read.item(index, item) for index, item in enumerate(items)]
    if any(options.error for options in complete):
        read.check_defaults()
    return complete


class _Reading:
    """Reads the options of credentials.

    :param defaults: of all items. :param shared: the CAs of all items, as of :func:`trusted_cas.take_out`.
    """

    def __init__(self, defaults: dict[str, Any], shared: dict[str, Any]) -> None:
        self._defaults, self._shared = defaults, shared
        self._check = Options(OPTIONS, "pkcs12_pem", mutually_exclusive=_EXCLUSIVE)

    def options(self, given: dict[str, Any], others: Iterable[str] = ()) -> CredentialOptions:
        """Return the options of one credential. :param others: as of :meth:`Options.complete`."""
        options = self._check.complete({**self._defaults, **given}, others=others)
        if options["state"] == "present" and not (options["src"] or options["content"]):
            raise AnsibleActionFail("one of src and content is required for state: present.")
        _check_texts(options)
        if options["services"]:
            options["services"] = restarts.read(options["services"], "")
        if trusted_cas.OPTIONS.keys() & given.keys():
            return CredentialOptions(**trusted_cas.complete(options, given, self._shared, ""))
        return CredentialOptions(**{**options, "trust_anchors": self._shared["trust_anchors"]})

    def item(self, index: int, item: Any) -> CredentialOptions:
        """Return the options of an item of the list, with an error if the item cannot be used."""
        try:
            if not isinstance(item, dict):
                raise AnsibleActionFail("it must be a dictionary of options.")
            if templates.UNREADABLE in item and item.get("state") != "absent":
                raise AnsibleActionFail(item[templates.UNREADABLE])
            return self.options({name: value for name, value in item.items() if name != templates.UNREADABLE})
        except AnsibleError as error:
            owner = item.get("owner") if isinstance(item, dict) else None
            owner = owner if isinstance(owner, str) else None
            named = f"credentials[{index}]" + (f" for {owner}" if owner else "")
            return CredentialOptions.unusable(owner, GridSecurityError("bad_options", f"{named}: {error}"))

    def check_defaults(self) -> None:
        """Check the defaults and their services.

        :raises AnsibleActionFail: they are wrong, so all items are.
        """
        restarts.read(self._check.complete(self._defaults, others=_OF_LIST)["services"], "")


def _check_texts(options: dict[str, Any]) -> None:
    """Check paths and ``subject_dn``, and write the DNs in one form.

    :raises AnsibleActionFail: a path is empty, or ``subject_dn`` is neither a DN nor a list of DNs.
    """
    for name in ("cert_path", "privatekey_path"):
        if not options[name]:
            raise AnsibleActionFail(f"{name} is empty. Give a path, or leave {name} out.")
    given = options["subject_dn"]
    texts = given if isinstance(given, list) else [given or ""]
    if not all(isinstance(text, str) for text in texts):
        raise AnsibleActionFail(f"subject_dn: {given!r} is neither a DN nor a list of DNs. Quote it.")
    try:
        options["subject_dn"] = [one_line_dn.read(text) for text in texts] if given else given
    except one_line_dn.DnError as error:
        raise AnsibleActionFail(f"subject_dn: {error}.") from None
