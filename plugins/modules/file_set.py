#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
short_description: Converge files, links, directories and absences in one round trip
version_added: 0.1.0
description:
  - Converges one or more sets of files on a node. The first call sends digests only. Later calls send the contents of the files
    that differ.
  - Each set is handled only with the rights of its O(sets[].owner). So root never opens, creates or changes anything in a
    directory that a user controls.
  - New files are complete on disk, with their final mode and owner, before they get their name.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options:
  sets:
    description: The file sets. A set that fails does not stop the others. Required.
    type: list
    elements: dict
    suboptions:
      name:
        description: The name of the set in results and messages.
        type: str
        required: true
      owner:
        description:
          - The user whose rights are used. In an O(sets[].directory) that only root can change, root works, and gives the files to
            this user.
          - Without this option, the module uses its own rights. Root then works only in directories that belong to root.
        type: str
      directory:
        description: The directory where relative paths of entries start. V(~) and V(~user) are home directories of the node.
        type: str
      entries:
        description: The paths and their wanted states.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: The path, absolute or relative to O(sets[].directory).
            type: str
            required: true
          state:
            description: The wanted state. V(absent) removes a file or link, never a directory.
            type: str
            choices: [file, link, directory, absent]
            default: file
          content:
            description: The content of a file. The controller puts a digest in its place.
            type: str
          src:
            description: A file of the controller with the content, found as M(ansible.builtin.copy) finds it; it may be vaulted.
            type: str
          target:
            description: The target of a symbolic link.
            type: str
          mode:
            description: The permissions of a file or directory, octal. New files without it get V(0600), new directories
              O(sets[].entries[].initial_mode).
            type: raw
          initial_mode:
            description: The permissions that a directory gets if it has to be created and O(sets[].entries[].mode) is not given.
            type: raw
          owner:
            description: The owner of the file, if other than the user whose rights are used. Only root can give files away.
            type: str
          group:
            description: The group of the file.
            type: str
          secret:
            description:
              - Never show the content in a diff. Private keys in PEM are never shown.
              - If O(sets[].owner) is set, a diff shows only the first certificate of the present file.
            type: bool
            default: false
          backup:
            description: Keep a file that is replaced or removed under a name that contains the time.
            type: bool
            default: false
  request:
    description:
      - O(sets) as JSON, with digests in place of contents. Set by the controller, which has checked the sets. A second check on the
        node would take longer than placing a trust directory.
    type: str
  contents:
    description: Contents in Base64 by digest. Set by the controller in later calls.
    type: dict
    default: {}
  timeout:
    description: Seconds that one set may take.
    type: float
    default: 60
"""

EXAMPLES = r"""
- name: Place two configuration files of the batch system's user
  grid.security.file_set:
    sets:
      - name: batch
        owner: condor
        directory: ~condor/.config
        entries:
          - {path: ., state: directory, mode: "0700"}
          - {path: token, content: "{{ batch_token }}", mode: "0600", secret: true}
          - {path: old-token, state: absent}
"""

RETURN = r"""
sets:
  description: A result for each set, in the order of O(sets).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The set's name.
      returned: always
      type: str
    changed:
      description: Whether an entry differed.
      returned: always
      type: bool
    entries:
      description: The entries that differed, each with its absolute path, its changes, and the path of its backup.
      returned: success
      type: list
      elements: dict
    paths:
      description: The absolute path of each entry.
      returned: always
      type: list
      elements: str
    needs:
      description: The digests of the contents that the node needs before it can apply the set.
      returned: when contents are missing
      type: list
      elements: str
    observed:
      description: The first certificate of each file whose certificate the controller compares, in Base64, by path.
      returned: when such a file differs
      type: dict
    key_files:
      description: Facts from the headers of private key files by path - whether they are encrypted, salt and iterations. The
        content of a key is never returned.
      returned: when a private key of a credential differs
      type: dict
    stored:
      description: The record of placed credentials in Base64, by path.
      returned: when it differs
      type: dict
    left:
      description: Files that are not removed because the certificate beside them was not placed by this collection.
      returned: when there are such files
      type: list
      elements: str
    found:
      description: Facts about the files in the directory, by name.
      returned: when the controller compares a directory as a whole, and it differs
      type: dict
    seen:
      description: The digest of the files in the directory.
      returned: when the controller compares a directory as a whole
      type: str
    exists:
      description: Whether the path exists.
      returned: when the controller asks only for that
      type: bool
    missing:
      description: Files whose certificate is not in the bundle.
      returned: when the controller compares a directory as a whole, and it differs
      type: list
      elements: str
    services:
      description: Services that use files of the set, and whether they need a restart.
      returned: when the controller asks for that
      type: list
      elements: dict
    failed:
      description: Whether the set failed.
      returned: failure
      type: bool
    error_code:
      description: A short stable identifier of the failure.
      returned: failure
      type: str
    msg:
      description: What went wrong and what to do.
      returned: failure
      type: str
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.grid.security.plugins.module_utils._common import process
from ansible_collections.grid.security.plugins.module_utils._credential import inspectors
from ansible_collections.grid.security.plugins.module_utils._files import set_options


def main() -> None:
    """Converge the sets."""
    process.hide_memory()
    module = AnsibleModule(
        argument_spec={
            "sets": {"type": "list", "elements": "dict", "options": set_options.SET},
            "request": {"type": "str"},
            "contents": {"type": "dict", "default": {}, "no_log": True},
            "timeout": {"type": "float", "default": set_options.TIMEOUT},
        },
        supports_check_mode=True,
    )
    sets, contents = _take(module)
    outcomes = inspectors.converge(sets, contents, module.check_mode, module._diff, module.params["timeout"])
    result = {"changed": any(outcome["changed"] for outcome in outcomes), "sets": outcomes}
    failures = [f"{outcome['name']}: {outcome['msg']}" for outcome in outcomes if outcome.get("failed")]
    if failures:
        module.fail_json(msg="\n".join(failures), **result)
    module.exit_json(**result)


def _take(module: AnsibleModule) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return sets and contents, and remove both from the module's parameters.

    Otherwise the module would look for each of hundreds of contents in each of thousands of returned strings. That would
    take longer than all its work.
    """
    if module.params["request"] is None:
        module.fail_json(msg="file_set works by its action plugin only. Call it by a task on the controller.")
    sets, contents = json.loads(module.params["request"]), module.params["contents"]
    module.params.update(request=None, contents={})
    module.no_log_values.clear()
    return sets, contents


if __name__ == "__main__":
    main()
