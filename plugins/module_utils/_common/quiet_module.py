# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provide an AnsibleModule that does not write its options to the node's log."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

__all__ = ["QuietModule"]


class QuietModule(AnsibleModule):  # type: ignore[misc]  # ansible has no types
    """Run a module that has secrets in lists of options.

    Ansible logs such options in Python's notation, with escaped quotes and backslashes. Then it searches the text for
    the secrets without escapes. It does not find a passphrase with a backslash or with both kinds of quotes, so this
    passphrase would stay in the log.
    """

    def _log_invocation(self) -> None:
        self.log("Invoked")
