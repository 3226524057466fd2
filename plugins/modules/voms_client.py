#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: voms_client
short_description: Tell a node's VOMS clients and services about virtual organizations
version_added: 0.1.0
description:
  - Places what VOMS clients need to reach the servers of a VO (C(vomses)) and what clients and services need to trust what these
    sign (LSC files), for the VOs that are named. Everything is checked on the controller before anything is sent.
  - A VO in O(vos) that is defined wrongly does not stop the others. Its files stay as they are, and the task fails after the other VOs are done.
  - A VO that is named is managed as a whole. Its file below O(vomses_path) is called after the VO, and its LSC files are those of
    its servers. Entries, LSC files and server certificates of that VO that came from elsewhere are removed, whatever the files
    are called. In a file that has entries of other VOs too, all else stays as it is.
  - VOs that are not named are left alone, unless O(purge) is set.
  - Neither comments nor backups are placed. Clients read every file there, and some of them fail on what they do not expect.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options:
  vos:
    description:
      - The VOs. Each item is a name, if the servers of the VO are known here, or a dictionary.
      - The servers of V(alice), V(atlas), V(cms), V(ctao), V(dteam), V(lhcb), V(ops), V(vo.france-grilles.fr) and V(wlcg) are
        known. The file C(plugins/plugin_utils/_voms/known_vos.json) of this collection has them, with the source and its date.
      - A dictionary has C(name), C(servers), C(alias) and C(state). With C(state=absent), a VO needs no servers, and everything
        that is said about it is removed, except the directory of its LSC files.
      - Each of C(servers) has C(host), C(port), C(dn) and C(ca_dn), the DNs of its certificate and of the CA that issued this,
        as OpenSSL one-line DNs. RFC 4514 and the other forms of C(openssl x509 -subject) are understood, too. There is no default for
        C(port), because each VO of a classic server has its own.
      - A server may have an C(alias), by which users call the VO when they want this server. The default is the alias of the VO, and
        the default of that is the name of the VO.
    type: list
    elements: raw
    default: []
  vomses_path:
    description:
      - The directory of vomses files. It is created with mode V(0755) if it is missing. A plain file, which clients would read
        too, is refused.
    type: str
    default: /etc/vomses
  vomsdir_path:
    description:
      - The directory that has a directory of LSC files for each VO. Directories that are missing are created with mode V(0755).
    type: str
    default: /etc/grid-security/vomsdir
  import_vomses:
    description:
      - A vomses file, or a directory of such files, on the controller. The VOs in it are managed as if they were in O(vos),
        unless they are.
      - A VO that cannot be imported does not stop the others. Its files stay as they are, and the task fails after the other VOs are done.
    type: str
  import_vomsdir:
    description:
      - The directory on the controller that has a directory of LSC files for each VO in O(import_vomses). LSC files for servers
        that have no entry there are not imported, and there is a warning.
    type: str
  import_vos:
    description:
      - Only these VOs of O(import_vomses). Without it, all.
    type: list
    elements: str
  purge:
    description:
      - Whether to remove the VOs that are in place and that neither O(vos) nor O(import_vomses) names any more.
      - A VO is removed as a whole, and only if this module could have written all files about it. These are its file below
        O(vomses_path) and its LSC files, in the form that this module writes. So LSC files of a package are removed, too, if they have
        this form. Otherwise the VO is left as it is, and a warning names a file that has another form.
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
- name: Configure two VOs of WLCG, and our own
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

- name: Take over what a site has so far, but our own VO as said here, and one no more
  grid.security.voms_client:
    import_vomses: old/vomses
    import_vomsdir: old/vomsdir
    vos:
      - "{{ our_vo }}"
      - {name: vo.formerly.org, state: absent}

- name: Have these VOs and no other
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
      description: Whether something differed.
      returned: always
      type: bool
    changes:
      description: What differed, in words.
      returned: always
      type: list
      elements: str
      sample: ["server voms2.cern.ch unwanted", "server voms-atlas-auth.cern.ch missing"]
summary:
  description: One line about all VOs.
  returned: success
  type: list
  elements: str
  sample: ["2 VOs, 1 changed: atlas"]
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
