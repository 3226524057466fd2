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
  - Does what the roles C(trust_anchors), C(voms_client), C(host_credential), C(user_credentials) and C(grid_mapfile) of this
    collection do, from the same variables and with the same defaults, but in one round trip if nothing changed, and two if something
    did.
  - A part is done on the nodes for which its variable is set - C(trust_anchors_sources), C(voms_client_vos) or
    C(voms_client_import_vomses), C(host_credential_src), C(user_credentials), C(grid_mapfile_path). So inventory variables say what
    a node gets.
  - A part that fails does not stop the other parts, and an item of a list that fails does not stop the other items.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options:
  verify:
    description:
      - Whether to change nothing, and to fail unless the node is as its variables say. The message names each owner, file and date.
      - It checks all files of all parts, restarts that are still to be made, and the days that certificates must be valid
        (C(user_credentials_verify_days_left), C(host_credential_verify_days_left)). No certificate of these parts may be revoked by a CRL
        of the node. If C(crl_updates_source) is set, CRLs must be valid for C(crl_updates_verify_hours_left), except those in
        C(crl_updates_exclude).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Bring the node up to date
  grid.security.node:

- name: Assert that the node is as its variables say, and that no user's certificate ends within three weeks
  grid.security.node:
    verify: true
  vars:
    user_credentials_verify_days_left: 21
"""

RETURN = r"""
summary:
  description: One line for each part.
  returned: on success, unless O(verify) is set
  type: list
  elements: str
  sample: ["user_credentials: 200 credentials, none changed"]
problems:
  description: What is not as it should be.
  returned: when O(verify) is set
  type: list
  elements: str
parts:
  description:
    - The results of the parts by role, as of M(grid.security.trust_anchors), M(grid.security.voms_client), M(grid.security.pkcs12_pem) and
      M(grid.security.grid_mapfile). If a part failed, only the parts that failed, with the items that failed.
  returned: unless O(verify) is set
  type: dict
"""
