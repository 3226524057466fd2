# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use private parts of ansible-core that have no public counterpart in all supported versions (2.16 and newer).

Each function uses one of them, and says why. Nothing else in this collection uses a private part, except the attributes
and methods that Ansible documents for authors of action plugins, such as ``_task``, ``_loader``, ``_templar``,
``_connection``, ``_execute_module`` and ``_low_level_execute_command``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ansible.module_utils.common.arg_spec import ValidationResult
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.action import ActionBase

__all__ = ["build_module", "decrypt", "make_directory", "secret_values", "used_interpreter"]


def decrypt(loader: DataLoader, data: bytes) -> bytes:
    """Decrypt the content of a vaulted file, in memory only.

    The public ``get_real_file`` writes the decrypted content to disk. ``get_text_file_contents`` does not, but
    ansible-core 2.16 lacks it.

    :raises AnsibleError: no vault secret of the run opens it.
    """
    return bytes(loader._vault.decrypt(data))


def secret_values(result: ValidationResult) -> set[str]:
    """Return the values of options with ``no_log`` that a validation met.

    A validation can fail with an error that quotes them. ``AnsibleModule`` hides them in its own messages. The public
    attributes of a validation's result do not name them.
    """
    return set(result._no_log_values)


def make_directory(action: ActionBase) -> None:
    """Make the temporary directory on the node that the first execution of a module makes otherwise.

    The public way is ``TRANSFERS_FILES``, which makes the directory before the action starts. Here it is made while
    another processor works. With pipelining, modules need no directory.
    """
    if not action._is_pipelining_enabled("new") and action._connection._shell.tmpdir is None:
        action._make_tmp_path()


def build_module(action: ActionBase, module: str, variables: dict[str, Any]) -> None:
    """Build the file that carries a module to the node, before it is executed.

    ansible-core keeps the file for the run. The public way to build it is to execute the module.
    """
    action._configure_module(module, {}, variables)


def used_interpreter(action: ActionBase) -> str | None:
    """Return the interpreter that executed the action's last module on the node.

    Results and facts name it only if ansible-core discovered it in this task.
    """
    used: str | None = action._used_interpreter
    return used
