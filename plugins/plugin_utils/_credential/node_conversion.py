# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Place credentials whose archives are on the node. The module ``pkcs12_pem`` converts them there."""

from __future__ import annotations

from typing import Any

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity, results
from ansible_collections.grid.security.plugins.module_utils._credential.credential import Credential
from ansible_collections.grid.security.plugins.module_utils._credential.deploy import Results
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._trust.trusted_cas import ChainCheck

__all__ = ["place"]


def place(action: GridAction, options: list[CredentialOptions], chain_check: ChainCheck) -> Results:
    """Return the result of each credential. The node checks the chains, with the CAs that the controller sends."""
    found = _convert(action, options, chain_check)
    for given, result in found.items():
        if "subject_dn" in result and not result.get("failed"):
            action.register.add(given, result["subject_dn"])
    for given, result in found.items():  # all owners are known now
        try:
            identity.check_shared(given, result.get("subject_dn", ""), action.register)
        except GridSecurityError as error:
            message = f"{error.message} The credential is already on the node. Check it there."
            result.update(failed=True, error_code=error.error_code, msg=message)
    return found


def _convert(action: GridAction, options: list[CredentialOptions], chain_check: ChainCheck) -> Results:
    arguments: dict[CredentialOptions, dict[str, Any]] = {}
    cas: dict[str, Any] = {}
    found: Results = {}
    for given in options:
        try:
            arguments[given], needed = chain_check.for_node(given)
            cas.update(needed)
        except GridSecurityError as error:
            found[given] = _failed(given, error)
    if arguments:
        sent = {"credentials": list(arguments.values()), "trusted_cas": cas}
        answer = action.execute("grid.security.pkcs12_pem", sent)
        answered = answer.get("credentials") or [_failed(given, _no_result(given, answer)) for given in arguments]
        found.update(zip(arguments, answered))
    return {given: found[given] for given in options}


def _failed(options: CredentialOptions, error: GridSecurityError) -> dict[str, Any]:
    return results.of(Credential(options, error=error), check=False)


def _no_result(options: CredentialOptions, answer: dict[str, Any]) -> GridSecurityError:
    said = str(answer.get("module_stderr", "")).strip().splitlines()  # the last line names the crash or the exception
    cause = ": ".join(text.strip().rstrip(".") for text in (str(answer.get("msg", "no result")), *said[-1:]))
    message = f"{options.label}: the module pkcs12_pem gave no result on the node: {cause}. Fix this, then run again."
    return GridSecurityError("not_converted", message)
