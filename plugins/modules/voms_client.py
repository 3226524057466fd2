#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: voms_client
short_description: Configure VOs for the VOMS clients and services of a node
version_added: 0.1.0
description:
  - Places C(vomses) files, by which VOMS clients reach the servers of a VO, and LSC files, by which clients and services trust what these servers
    sign. Everything is checked on the controller before anything is sent.
  - A VO in O(vos) that is defined wrongly does not stop the others. Its files stay as they are, and the task fails after the other VOs are done.
  - A VO in O(vos) is managed as a whole. Its file below O(vomses_path) has the name of the VO, and its LSC files are those of
    its servers. Other entries, LSC files and server certificates of this VO are removed, whatever the names of the files. In a file that also
    has entries of other VOs, all other lines stay as they are.
  - Other VOs stay as they are, unless O(purge) is set.
  - Neither comments nor backups are placed, because clients read every file there, and some clients fail on unknown text.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
seealso:
  - module: grid.security.node
    description: Configures VOs and all other parts of a node in one call.
  - module: grid.security.trust_anchors
    description: Places the CAs of the VOMS servers.
options:
  vos:
    description:
      - The VOs. Each item is a name, if this collection knows the servers of the VO, or a dictionary.
      - It knows the servers of V(alice), V(atlas), V(cms), V(ctao), V(dteam), V(lhcb), V(ops), V(vo.france-grilles.fr) and V(wlcg). They are
        in the file C(plugins/plugin_utils/_voms/known_vos.json) of this collection, with the source and its date.
      - A dictionary has C(name), C(servers), C(alias) and C(state). With C(state=absent), a VO needs no servers, and all its entries and
        files are removed, except the directory of its LSC files.
      - Each item of C(servers) has C(host), C(port), C(dn) and C(ca_dn). These are the DN of the server's certificate, and the DN of the CA that
        issued it, as OpenSSL one-line DNs. RFC 4514 and the other forms of C(openssl x509 -subject) are understood, too. There is no default for
        C(port), because each VO of a classic server has its own port.
      - An item of C(servers) may have an C(alias). Users give this alias to select this server of the VO. The default is the alias of the VO,
        and the default of that is the name of the VO.
    type: list
    elements: raw
    default: []
  vomses_path:
    description:
      - The directory of vomses files. It is created with mode V(0755) if it is missing. A plain file is refused, although clients would read
        it.
    type: str
    default: /etc/vomses
  vomsdir_path:
    description:
      - The directory that has a directory of LSC files for each VO. Missing directories are created with mode V(0755).
    type: str
    default: /etc/grid-security/vomsdir
  import_vomses:
    description:
      - A vomses file, or a directory of such files, on the controller. Its VOs are managed as if they were in O(vos). For a VO that is in
        both, O(vos) counts.
      - A VO that cannot be imported does not stop the others. Its files stay as they are, and the task fails after the other VOs are done.
    type: str
  import_vomsdir:
    description:
      - The directory on the controller that has a directory of LSC files for each VO in O(import_vomses). LSC files of servers
        without an entry there are not imported, and there is a warning.
    type: str
  import_vos:
    description:
      - Only these VOs of O(import_vomses). The default is all VOs.
    type: list
    elements: str
  purge:
    description:
      - Whether to remove the VOs in place that are neither in O(vos) nor in O(import_vomses) any more.
      - A VO is removed as a whole, and only if this module could have written all its files. These are its file below
        O(vomses_path) and its LSC files, in the form that this module writes. So LSC files of a package are removed, too, if they have
        this form. Otherwise the VO stays as it is, and a warning names a file that has another form.
      - Old server certificates, and other files below O(vomsdir_path), are not removed. The directory of a VO is removed if it is empty.
      - A VO that is defined wrongly, or whose import fails, is not removed. If the name of a VO cannot be read, or if the whole import
        fails, no VO is removed.
    type: bool
    default: false
  allow_shrink:
    description:
      - Whether O(purge) may remove more than half of the VOs in place, or all of them. Otherwise no VO is removed, and the task fails after
        the VOs in O(vos) and O(import_vomses) are done.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Configure two VOs of WLCG and a VO of the site
  grid.security.voms_client:
    vos:
      - atlas
      - dteam
      - name: vo.example.org
        servers:
          - host: voms.example.org
            port: 15004
            dn: /DC=org/DC=example/CN=voms.example.org
            ca_dn: /DC=org/DC=example/CN=Example CA

- name: Import the VOs of a site, define one VO anew, and remove another VO
  grid.security.voms_client:
    import_vomses: old/vomses
    import_vomsdir: old/vomsdir
    vos:
      - "{{ our_vo }}"
      - {name: vo.formerly.org, state: absent}

- name: Configure these VOs and remove all others
  grid.security.voms_client:
    vos: [atlas, dteam, ops]
    purge: true
"""

RETURN = r"""
vos:
  description: A result for each VO that is managed, and for each VO that O(purge) removes.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The VO's name.
      returned: always
      type: str
    changed:
      description: Whether something changed, or would change in check mode.
      returned: always
      type: bool
    changes:
      description: What changed, in words. In check mode, what would change.
      returned: always
      type: list
      elements: str
      sample: ["server voms2.cern.ch unwanted", "server voms-atlas-auth.cern.ch missing"]
summary:
  description: A line about all VOs.
  returned: success
  type: list
  elements: str
  sample: ["2 VOs, 1 changed: atlas"]
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
