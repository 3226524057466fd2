# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes that all modules of the collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragments ``grid.security.attributes`` and, for modules that only read, ``grid.security.attributes.info``."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Can run in check mode and return what would change.
  diff_mode:
    support: full
    description: Says in diff mode what changed or would change; never shows the content of a key.
  idempotent:
    support: full
    description: A second run with the same input changes nothing.
  safe_file_operations:
    support: full
    description: Writes complete files under temporary names, with the owner's rights, and renames them.
  platform:
    support: full
    description: Target systems the module works on.
    platforms: posix
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    description: Changes nothing, in check mode or not.
  diff_mode:
    support: none
    description: There is nothing to show, because nothing changes.
  idempotent:
    support: full
    description: Reads only.
  platform:
    support: full
    description: Target systems the module works on.
    platforms: posix
"""
