#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: node
short_description: Bring trust anchors, credentials and their configuration on a node up to date in one call
version_added: 0.1.0
description:
  - Does the work of the roles C(trust_anchors), C(voms_client), C(host_credential), C(user_credentials) and C(grid_mapfile) of this
    collection, with the same variables and the same defaults. It takes one round trip if nothing changed, and two if something changed.
  - Each role is a part. A part is done on the nodes for which its variable is set - C(trust_anchors_sources), C(voms_client_vos) or
    C(voms_client_import_vomses), C(host_credential_src), C(user_credentials), C(grid_mapfile_path). So the variables of the inventory select
    the parts of each node.
  - A part that fails does not stop the other parts, and an item of a list that fails does not stop the other items.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
requirements:
  - cryptography 36 or newer on the controller
notes:
  - The documentation of the roles describes their variables. C(ansible-doc -t role grid.security.user_credentials) prints it.
seealso:
  - module: grid.security.trust_anchors
    description: The part C(trust_anchors).
  - module: grid.security.voms_client
    description: The part C(voms_client).
  - module: grid.security.pkcs12_pem
    description: The parts C(host_credential) and C(user_credentials).
  - module: grid.security.grid_mapfile
    description: The part C(grid_mapfile).
options:
  verify:
    description:
      - Whether to change nothing, and to fail unless all parts are up to date. The message lists each owner, file and date.
      - It checks all files of all parts, restarts that are still due, and the days that certificates must be valid
        (C(user_credentials_verify_days_left), C(host_credential_verify_days_left)). A certificate of these parts that a CRL on the node revokes is
        a failure. If C(crl_updates_source) is set, CRLs must be valid for C(crl_updates_verify_hours_left), except those in
        C(crl_updates_exclude).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Bring the node up to date
  grid.security.node:

- name: Assert that the node is up to date, and that no user's certificate expires within three weeks
  grid.security.node:
    verify: true
  vars:
    user_credentials_verify_days_left: 21
"""

RETURN = r"""
summary:
  description: A line for each part.
  returned: on success, unless O(verify) is set
  type: list
  elements: str
  sample: ["user_credentials: 200 credentials, none changed"]
problems:
  description: The problems that were found.
  returned: when O(verify) is set
  type: list
  elements: str
parts:
  description:
    - The results of the parts, by role. They have the fields of M(grid.security.trust_anchors), M(grid.security.voms_client),
      M(grid.security.pkcs12_pem) and M(grid.security.grid_mapfile). If a part failed, only the failed parts, with their failed items.
  returned: unless O(verify) is set
  type: dict
"""
