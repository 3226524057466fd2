# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that does not tell the node's log what it was asked."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

__all__ = ["QuietModule"]


class QuietModule(AnsibleModule):  # type: ignore[misc]  # ansible has no types
    """For options with secrets in lists.

    Ansible logs such options as Python writes them, with quotes and backslashes escaped, and then looks for the secrets
    as they are: a passphrase with both kinds of quotes in it, or a backslash, is not found, and stays in the log.
    """

    def _log_invocation(self) -> None:
        self.log("Invoked")
