# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials on the controller: options, sources, accounts; what lies on the node is left to the node."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Callable

from ansible.errors import AnsibleActionFail, AnsibleError

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import deploy, identity
from ansible_collections.grid.security.plugins.module_utils._credential.renderers import Outcome, Source, label
from ansible_collections.grid.security.plugins.module_utils._files.exchange import Conversation
from ansible_collections.grid.security.plugins.module_utils._x509 import one_line_dn
from ansible_collections.grid.security.plugins.plugin_utils._action import accounts, restarts, run_register, templates
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction, Options, validated
from ansible_collections.grid.security.plugins.plugin_utils._credential import credential_report, purge
from ansible_collections.grid.security.plugins.plugin_utils._credential.kept_renderings import KeptRenderings
from ansible_collections.grid.security.plugins.plugin_utils._trust import trusted_cas

__all__ = ["identify", "place", "read_options", "subject"]

_OF_LIST = {"credentials", *deploy.LIST_OPTIONS}  # the options that no credential has
_EXCLUSIVE = [("src", "content"), ("privatekey_src", "privatekey_content")]


def place(action: GridAction, arguments: dict[str, Any]) -> Conversation:
    """Bring the credentials in place (or away), create missing accounts if asked to, and return the result.

    Services are left to :func:`restarts.carry_out`, which is called when everything else is done.
    """
    options = read_options(arguments)
    keeper = purge.Keeper(_list_options(arguments), options, action.check_mode)
    review = _Review(action.register)
    try:
        results = yield from keeper.keep(_place_all(action, options, keeper, review.end))
    finally:
        review.end()
        run_register.save(action.host, action.register)
    services = restarts.take(results, action.check_mode)
    combined = credential_report.combine(results, "credentials" in arguments, action.diff)
    return keeper.add_to({**combined, **({"services": services} if services else {})}, action.diff)


def _list_options(arguments: dict[str, Any]) -> dict[str, Any]:
    return validated(deploy.LIST_OPTIONS, {n: arguments[n] for n in deploy.LIST_OPTIONS if n in arguments})


class _Review:
    """Makes the grid-mapfile of the same node wait until all credentials have been reviewed."""

    def __init__(self, register: identity.Register) -> None:
        self._register, self._is_open = register, True
        register.unreviewed += 1

    def end(self) -> None:
        """Only the first call counts."""
        self._register.unreviewed -= self._is_open
        self._is_open = False


def _place_all(
    action: GridAction, options: list[dict[str, Any]], keeper: purge.Keeper, reviewed: Callable[[], None]
) -> Conversation:
    """Place all credentials, create missing accounts, place the credentials of these, and return all results."""
    results = yield from _place(action, options, keeper, reviewed)
    missing = [index for index, result in enumerate(results) if accounts.is_missing(options[index], result)]
    chosen = [(options[index], results[index]) for index in missing]
    for index, result in zip(missing, (yield from _place_with_accounts(action, chosen, keeper))):
        results[index] = result
    return results


def read_options(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """One complete dictionary of options per credential; options beside ``credentials`` are defaults for its items.

    An item that cannot be used has an ``error``, and is otherwise as if only its owner was given.

    :raises AnsibleActionFail: the options outside of ``credentials`` are wrong.
    """
    defaults = {name: value for name, value in arguments.items() if name not in _OF_LIST}
    read = _Reading(defaults, trusted_cas.take_out(defaults))
    items = arguments.get("credentials")
    if items is None:
        return [read.options(defaults, _OF_LIST)]
    if not isinstance(items, list):
        raise AnsibleActionFail("credentials must be a list of dictionaries.")
    complete = [read.item(index, item) for index, item in enumerate(items)]
    if any("error" in options for options in complete):
        read.check_defaults()
    return complete


class _Reading:
    """Reads the options of credentials.

    :param defaults: of all items. :param shared: the CAs of all items, as of :func:`trusted_cas.take_out`.
    """

    def __init__(self, defaults: dict[str, Any], shared: dict[str, Any]) -> None:
        self._defaults, self._shared = defaults, shared
        self._check = Options(deploy.OPTIONS, "pkcs12_pem", mutually_exclusive=_EXCLUSIVE)

    def options(self, given: dict[str, Any], others: Iterable[str] = ()) -> dict[str, Any]:
        """The complete options of one credential. :param others: as of :meth:`Options.complete`."""
        options = self._check.complete({**self._defaults, **given}, others=others)
        if options["state"] == "present" and not (options["src"] or options["content"]):
            raise AnsibleActionFail("one of src and content is required for state: present.")
        _check_texts(options)
        if options["services"]:
            options["services"] = restarts.read(options["services"], "")
        return trusted_cas.complete(options, given, self._shared, "")

    def item(self, index: int, item: Any) -> dict[str, Any]:
        """Return the same for an item of the list, with an ``error`` if the item cannot be used."""
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
            unusable = {name: specification.get("default") for name, specification in deploy.OPTIONS.items()}
            return {**unusable, "owner": owner, "error": GridSecurityError("bad_options", f"{named}: {error}")}

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
    if not all(isinstance(one, str) for one in texts):
        raise AnsibleActionFail(f"subject_dn: {given!r} is neither a DN nor a list of DNs. Quote it.")
    try:
        options["subject_dn"] = [one_line_dn.read(one) for one in texts] if given else given
    except one_line_dn.DnError as error:
        raise AnsibleActionFail(f"subject_dn: {error}.") from None


def _place(
    action: GridAction,
    options: list[dict[str, Any]],
    keeper: purge.Keeper,
    reviewed: Callable[[], None] = lambda: None,
) -> Conversation:
    """The result of each credential: those whose archive lies on the node are converted there, by the module."""
    here = [index for index, one in enumerate(options) if not one["remote_src"]]
    there = [index for index, one in enumerate(options) if one["remote_src"]]
    results: dict[int, dict[str, Any]] = {}
    if here:
        chosen = [options[index] for index in here]
        renderer = keeper.watched(_renderer(action))
        placed = yield from deploy.converge(chosen, renderer, action.check_mode, action.register, reviewed)
        results.update(zip(here, placed))
    if there:
        converted = [options[index] for index in there]
        results.update(zip(there, _identified(action, converted, _convert_on_node(action, converted))))
    return [results[index] for index in range(len(options))]


def _convert_on_node(action: GridAction, options: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a result for each credential. The node checks the chains, with the CAs that the controller sends."""
    check = trusted_cas.ChainCheck(action)
    sent: dict[int, dict[str, Any]] = {}
    cas: dict[str, Any] = {}
    results: dict[int, dict[str, Any]] = {}
    for number, one in enumerate(options):
        try:
            sent[number], needed = check.for_node(one)
            cas.update(needed)
        except GridSecurityError as error:
            results[number] = deploy.refused(one, error)
    if sent:
        result = action.execute("grid.security.pkcs12_pem", {"credentials": list(sent.values()), "trusted_cas": cas})
        results.update(zip(sent, result.get("credentials") or [_not_converted(options[one], result) for one in sent]))
    return [results[number] for number in range(len(options))]


def _not_converted(options: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    said = str(result.get("module_stderr", "")).strip().splitlines()  # the last line tells a crash or an exception
    cause = ": ".join(text.strip().rstrip(".") for text in (str(result.get("msg", "no result")), *said[-1:]))
    message = f"{label(options)}: the module pkcs12_pem gave no result on the node: {cause}. Fix this, then run again."
    return deploy.refused(options, GridSecurityError("not_converted", message))


def _identified(
    action: GridAction, options: list[dict[str, Any]], results: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the results of a node's conversion. They fail if two owners have one subject, which is known only now."""
    for one, result in zip(options, results):
        if "subject_dn" in result and not result.get("failed"):
            action.register.add(one, result["subject_dn"])
    for one, result in zip(options, results):
        try:
            identity.check_shared(one, result.get("subject_dn", ""), action.register, label(one))
        except GridSecurityError as error:
            result.update(
                failed=True, error_code=error.error_code, msg=f"{error.message} It is placed already; look at it."
            )
    return results


def _place_with_accounts(
    action: GridAction, missing: list[tuple[dict[str, Any], dict[str, Any]]], keeper: purge.Keeper
) -> Conversation:
    """The results after the accounts that were missed have been created: all credentials follow in one go.

    :param missing: options and result of each. In check mode there is no account yet to look into.
    """
    failures = [accounts.create(action, options) for options, _result in missing]
    created = [options for (options, _result), failure in zip(missing, failures) if failure is None]
    placed = iter([] if action.check_mode else (yield from _place(action, created, keeper)))
    results = []
    for (options, result), failure in zip(missing, failures):
        if failure is not None:
            results.append({**result, "msg": f"{label(options)}: {failure}"})
            continue
        after = next(
            placed, {name: value for name, value in result.items() if name not in ("failed", "error_code", "msg")}
        )
        account = f"account {'missing' if action.check_mode else 'created'}"
        why = [account, *after.get("changes", [])]
        differences = [f"{options['owner']}: {account}", *after.get("differences", [])]
        results.append({**after, "changed": True, "changes": why, "differences": differences})
    return results


def identify(action: GridAction, options: list[dict[str, Any]]) -> list[Outcome]:
    """Return the outline of each credential, or the error by which :func:`place` refuses it.

    No archive is opened twice in a run with the same options.
    """
    good = [one for one in options if "error" not in one]
    outcomes = iter(identity.identify(good, _renderer(action).outlines(good), action.register, label))
    return [one["error"] if "error" in one else next(outcomes) for one in options]


def subject(options: dict[str, Any], outcome: Outcome, register: identity.Register) -> str:
    """The OpenSSL one-line DN of a credential. :param outcome: of :func:`identify`.

    :raises GridSecurityError: the credential is refused, or a task of this run did not replace another one by it.
    """
    if isinstance(outcome, GridSecurityError):
        raise outcome
    if register.is_refused(options, outcome["facts"]):
        raise GridSecurityError("refused", f"{label(options)}: it was refused where it was to be placed.")
    return str(outcome["facts"]["subject_dn"])


def _renderer(action: GridAction) -> KeptRenderings:
    """For credentials whose archives lie on the controller."""

    check = trusted_cas.ChainCheck(action)

    def read(options: dict[str, Any]) -> Source:
        name = label(options)
        check.key(options)  # fails if a source of the CAs is missing
        key = (options["privatekey_src"], options["privatekey_content"])
        data = _read(action, options["src"], options["content"], name)
        return Source(options, data, _read(action, *key, name) if any(key) else None)

    return KeptRenderings(read, check, action.prepare)


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
