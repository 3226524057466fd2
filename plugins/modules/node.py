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
  - One part that fails does not stop the others.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options: {}
"""

EXAMPLES = r"""
- name: Bring the node up to date
  grid.security.node:
"""

RETURN = r"""
parts:
  description: The results of the parts by role, as of M(grid.security.trust_anchors), M(grid.security.voms_client),
    M(grid.security.pkcs12_pem) and M(grid.security.grid_mapfile).
  returned: always
  type: dict
"""
