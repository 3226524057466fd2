# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes and requirements that all modules of the collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragments ``grid.security.attributes`` and, for modules that only read, ``grid.security.attributes.info``."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - Python 3.9 or newer on the node
attributes:
  action:
    support: full
    description: Has an action plugin, so some of the work is done on the controller.
  async:
    support: none
    description: Can run in the background with the keyword C(async).
  check_mode:
    support: full
    description: Can run in check mode and return what would change.
  diff_mode:
    support: full
    description: Returns in diff mode what changed or would change. The diff never contains a key.
  idempotent:
    support: full
    description: A second run with the same input changes nothing.
  safe_file_operations:
    support: full
    description: Writes complete files under temporary names with the rights of their owner, and then renames them.
  platform:
    support: full
    description: Target systems the module works on.
    platforms: posix
"""

    INFO = r"""
options: {}
requirements:
  - Python 3.9 or newer on the node
attributes:
  action:
    support: partial
    description: Has an action plugin, so some of the work is done on the controller.
    details: The node does the work. The action plugin explains a failure if the Python of the node is too old.
  async:
    support: full
    description: Can run in the background with the keyword C(async).
  check_mode:
    support: full
    description: Can run in check mode. It never changes anything.
  diff_mode:
    support: none
    description: Returns in diff mode what changed or would change. Nothing changes.
  idempotent:
    support: full
    description: A second run with the same input changes nothing.
  platform:
    support: full
    description: Target systems the module works on.
    platforms: posix
"""
