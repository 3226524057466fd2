# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials on the controller: read the options, render through the memo, sort by where the archive lies."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ansible_collections.grid.security.plugins.module_utils import credential, credentials
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.plugin_utils import converge, memo

__all__ = ["read_options", "render"]


def read_options(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """One complete dictionary of options per credential; options beside ``credentials`` are defaults for its items.

    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    """
    defaults = {name: value for name, value in arguments.items() if name != "credentials"}
    items = arguments.get("credentials")
    if items is None:
        return [_validated(defaults, "")]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AnsibleActionFail("credentials must be a list of dictionaries.")
    return [_validated({**defaults, **item}, f"credentials[{index}]: ") for index, item in enumerate(items)]


def _validated(item: dict[str, Any], where: str) -> dict[str, Any]:
    validator = ArgumentSpecValidator(credentials.OPTIONS, mutually_exclusive=[("src", "content")])
    result = validator.validate(item)
    if result.error_messages:
        raise AnsibleActionFail(where + "; ".join(result.error_messages))
    options: dict[str, Any] = result.validated_parameters
    if options["state"] == "present" and not (options["src"] or options["content"]):
        raise AnsibleActionFail(f"{where}one of src and content is required for state: present.")
    return options


def render(action: ActionBase, options: dict[str, Any]) -> dict[str, Any]:
    """Files and facts for one credential whose archive lies on the controller.

    :raises GridSecurityError: whatever is wrong with the archive or the options.
    """
    name = credentials.label(options)
    data = _archive(action, options, name)
    if not options["encrypt_privatekey"]:
        # An unencrypted key is never written on the controller, so there is nothing to keep.
        return credential.render(data, options, name)
    parts = [data, json.dumps({key: value for key, value in options.items() if key != "content"}).encode()]
    return memo.memoize(parts, lambda: credential.render(data, options, name))


def _archive(action: ActionBase, options: dict[str, Any], name: str) -> bytes:
    try:
        if options["src"]:
            return converge.read_source(action, options["src"])
        return base64.b64decode(options["content"], validate=True)
    except binascii.Error:
        raise GridSecurityError(
            "not_base64", f"{name}: content is not Base64. Encode the archive, for instance with the filter b64encode."
        ) from None
    except AnsibleError as error:
        raise GridSecurityError("no_source", f"{name}: {error}") from error
