# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials on the controller: options, sources, accounts; what lies on the node is left to the node."""

from __future__ import annotations

import base64
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.grid.security.plugins.module_utils import credentials
from ansible_collections.grid.security.plugins.module_utils.conversation import Conversation
from ansible_collections.grid.security.plugins.module_utils.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils.renderers import Source, label
from ansible_collections.grid.security.plugins.plugin_utils import accounts, trusted_cas
from ansible_collections.grid.security.plugins.plugin_utils.action_base import GridAction, Options
from ansible_collections.grid.security.plugins.plugin_utils.kept_renderings import KeptRenderings

__all__ = ["facts", "place", "read_options"]

_EXCLUSIVE = [("src", "content"), ("privatekey_src", "privatekey_content")]


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Bring the credentials in place (or away), create accounts that are missed if asked to, and return the result."""
    options = read_options(arguments)
    results = yield from _place(action, options)
    missing = [index for index, result in enumerate(results) if accounts.is_missing(options[index], result)]
    chosen = [(options[index], results[index]) for index in missing]
    for index, result in zip(missing, (yield from _place_with_accounts(action, chosen))):
        results[index] = result
    return credentials.combine(results, "credentials" in arguments, action.diff)


def read_options(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """One complete dictionary of options per credential; options beside ``credentials`` are defaults for its items.

    :raises AnsibleActionFail: an option is unknown, of the wrong type or missing.
    """
    defaults = {name: value for name, value in arguments.items() if name != "credentials"}
    shared = trusted_cas.take_out(defaults)
    items = arguments.get("credentials")
    check = Options(credentials.OPTIONS, mutually_exclusive=_EXCLUSIVE)
    if items is None:
        return [trusted_cas.complete(_complete(check, defaults, ""), defaults, shared, "")]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AnsibleActionFail("credentials must be a list of dictionaries.")
    complete = [_complete(check, {**defaults, **item}, f"credentials[{index}]: ") for index, item in enumerate(items)]
    return [
        trusted_cas.complete(one, item, shared, f"credentials[{index}]: ")
        for index, (one, item) in enumerate(zip(complete, items))
    ]


def _complete(check: Options, item: dict[str, Any], where: str) -> dict[str, Any]:
    options = check.complete(item, where)
    if options["state"] == "present" and not (options["src"] or options["content"]):
        raise AnsibleActionFail(f"{where}one of src and content is required for state: present.")
    return options


def _place(action: GridAction, options: list[dict[str, Any]]) -> Conversation:
    """The result of each credential: those whose archive lies on the node are converted there, by the module."""
    here = [index for index, one in enumerate(options) if not one["remote_src"]]
    there = [index for index, one in enumerate(options) if one["remote_src"]]
    results: dict[int, dict[str, Any]] = {}
    if here:
        chosen = [options[index] for index in here]
        placed = yield from credentials.converge(chosen, _renderer(action), action.check_mode)
        results.update(zip(here, placed))
    if there:
        results.update(zip(there, _convert_on_node(action, [options[index] for index in there])))
    return [results[index] for index in range(len(options))]


def _convert_on_node(action: GridAction, options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The result of each. The node checks the chains, with the CAs that this controller sends it."""
    check = trusted_cas.ChainCheck(action)
    sent: dict[int, dict[str, Any]] = {}
    cas: dict[str, Any] = {}
    results: dict[int, dict[str, Any]] = {}
    for number, one in enumerate(options):
        try:
            sent[number], needed = check.for_node(one)
            cas.update(needed)
        except GridSecurityError as error:
            results[number] = credentials.refused(one, error)
    if sent:
        result = action.execute("grid.security.pkcs12_pem", {"credentials": list(sent.values()), "trusted_cas": cas})
        if "credentials" not in result:
            raise AnsibleActionFail(result.get("msg", "the module pkcs12_pem gave no result"), result=result)
        results.update(zip(sent, result["credentials"]))
    return [results[number] for number in range(len(options))]


def _place_with_accounts(action: GridAction, missing: list[tuple[dict[str, Any], dict[str, Any]]]) -> Conversation:
    """The results after the accounts that were missed have been created: all credentials follow in one go.

    :param missing: options and result of each. In check mode there is no account yet to look into.
    """
    failures = [accounts.create(action, options) for options, _result in missing]
    created = [options for (options, _result), failure in zip(missing, failures) if failure is None]
    placed = iter([] if action.check_mode else (yield from _place(action, created)))
    results = []
    for (options, result), failure in zip(missing, failures):
        if failure is not None:
            results.append({**result, "msg": f"{label(options)}: {failure}"})
            continue
        after = next(placed, {name: value for name, value in result.items() if name not in ("failed", "kind", "msg")})
        results.append({**after, "changed": True, "why": ["account created", *after.get("why", [])]})
    return results


def facts(action: GridAction, options: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What the certificate of each credential says; nothing is opened twice in a run.

    :raises GridSecurityError: whatever is wrong with the first bad archive or its options.
    """
    found = []
    for one in _renderer(action).outlines(options):
        if isinstance(one, GridSecurityError):
            raise one
        found.append(one["facts"])
    return found


def _renderer(action: GridAction) -> KeptRenderings:
    """For credentials whose archives lie on the controller."""

    check = trusted_cas.ChainCheck(action)

    def read(options: dict[str, Any]) -> Source:
        name = label(options)
        check.key(options)  # which says whether there are the sources of the CAs
        key = (options["privatekey_src"], options["privatekey_content"])
        data = _read(action, options["src"], options["content"], name)
        return Source(options, data, _read(action, *key, name) if any(key) else None)

    return KeptRenderings(read, check)


def _read(action: GridAction, src: str | None, content: str | None, name: str) -> bytes:
    """A file of the controller, or what is given in its place: PEM as it is, anything else in Base64."""
    try:
        if src:
            return action.read(src)
        given = str(content)
        return given.encode() if "-----BEGIN " in given else base64.b64decode(given, validate=True)
    except ValueError:
        raise GridSecurityError(
            "not_base64",
            f"{name}: content is neither Base64 nor PEM. Encode the archive, for instance with the filter b64encode.",
        ) from None
    except AnsibleError as error:
        raise GridSecurityError("no_source", f"{name}: {error}") from error
