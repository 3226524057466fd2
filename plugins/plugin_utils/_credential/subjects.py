# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the subjects of the credentials of a task. The grid-mapfile maps these subjects."""

from __future__ import annotations

from typing import Union

from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._credential import identity
from ansible_collections.grid.security.plugins.module_utils._credential.converter import Summary
from ansible_collections.grid.security.plugins.module_utils._credential.credential import Credential
from ansible_collections.grid.security.plugins.module_utils._credential.options import CredentialOptions
from ansible_collections.grid.security.plugins.plugin_utils._action.action_base import GridAction
from ansible_collections.grid.security.plugins.plugin_utils._credential.placing import Placing

__all__ = ["Identity", "identify", "subject"]

Identity = Union[Summary, GridSecurityError]


def identify(action: GridAction, options: list[CredentialOptions]) -> dict[CredentialOptions, Identity]:
    """Return the summary of each credential, or the error by which :class:`Placing` refuses it.

    No archive is opened twice in a run with the same options.
    """
    credentials = Placing(action, options).summarise()
    return {
        credential.options: credential.error or credential.summary or _not_converted(credential)
        for credential in credentials
    }


def _not_converted(credential: Credential) -> GridSecurityError:
    return credential.bug("it was not converted. Report this.")


def subject(options: CredentialOptions, found: Identity, register: identity.Register) -> str:
    """Return the OpenSSL one-line DN of a credential. :param found: as of :func:`identify`.

    :raises GridSecurityError: the credential is refused, or a task of this run did not replace another one by it.
    """
    if isinstance(found, GridSecurityError):
        raise found
    if register.is_refused(options, found.facts):
        raise GridSecurityError(
            "refused", f"{options.label}: the task that places it refused it. See the message of that task."
        )
    return found.facts["subject_dn"]
