#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: grid_mapfile
short_description: Map the subjects of credentials to accounts
version_added: 0.1.0
description:
  - Writes the grid-mapfile, from which grid services learn which local account a certificate's subject is.
  - The lines come from the same list of credentials that M(grid.security.pkcs12_pem) places, so nobody copies a DN by hand, and from
    lines of the site's own. The file is exactly that; lines that were added to it by hand go.
  - The lines are in the order given, those of O(credentials) first. Globus takes the first line with the DN.
  - Only credentials that pass all checks of M(grid.security.pkcs12_pem) are mapped. A credential that another task of the same run
    refused is not mapped.
  - A credential or an entry that fails does not stop the others. Its account keeps the mapping that is in place. If the account of an
    item is not known either, all mappings that are in place stay, except those of DNs that another item maps. In both cases the task
    fails after all other items are done.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options:
  path:
    description: The file.
    type: str
    default: /etc/grid-security/grid-mapfile
  mode:
    description: Its mode.
    type: raw
    default: "0644"
  credentials:
    description:
      - Credentials as M(grid.security.pkcs12_pem) takes them. Each that is present maps its subject to its owner. They need not be
        placed on this node.
      - The subject of an archive that lies on nodes (C(remote_src)) is not known here; there is a warning.
    type: list
    elements: dict
    default: []
  entries:
    description:
      - Further mappings. Each is a line as the file has it, or has C(dn) and C(account) (a name or a list of names).
      - A DN that is mapped more than once has one line with all its accounts, those of O(credentials) first. DNs are compared as Globus
        compares them. Case and the spelling of C(emailAddress) do not count.
      - A line is read as Globus reads it, so a backslash starts an escape sequence. In C(dn), a backslash has no special meaning, except
        before C(/) and C(+), where OpenSSL 3 prints one.
      - RFC 4514 and the other forms that C(openssl x509 -subject) prints are understood, too.
      - OpenSSL 3 prints a DN with C(/) or C(+) in a value otherwise than OpenSSL 1.1. Globus compares what its OpenSSL prints, so such a DN has
        two lines.
    type: list
    elements: raw
    default: []
  allow_empty:
    description: Whether the file may map nobody at all.
    type: bool
    default: false
  trust_anchors:
    description:
      - The CAs that may have issued the certificates of O(credentials), as in O(grid.security.pkcs12_pem#module:trust_anchors). A certificate that
        none of these CAs issued is not mapped.
    type: list
    elements: raw
  trust_anchors_profiles:
    description: Of O(trust_anchors), only CAs of these IGTF profiles, and their issuers.
    type: list
    elements: str
    default: []
  trust_anchors_include:
    description: Of O(trust_anchors), only these CAs, and their issuers, by alias or DN (shell patterns) or fingerprint.
    type: list
    elements: str
    default: []
  trust_anchors_exclude:
    description: Of O(trust_anchors), not these CAs, by alias or DN (shell patterns) or fingerprint.
    type: list
    elements: str
    default: []
  trust_anchors_exclude_expired:
    description: Whether to leave out CAs of O(trust_anchors) that have expired.
    type: bool
    default: false
  check_chain:
    description: V(false) switches the check by O(trust_anchors) off.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Let the users of this list, and a robot of another site, use the storage
  grid.security.grid_mapfile:
    credentials: "{{ user_credentials }}"
    entries:
      - {dn: /DC=org/DC=example/OU=Robots/CN=Transfer, account: robot}
      - '"/DC=org/DC=example/CN=Visitor" .guest'
"""

RETURN = r"""
lines:
  description: The lines of the file.
  returned: success
  type: list
  elements: str
  sample: ['"/DC=org/DC=example/CN=Alice" alice']
summary:
  description: One line about the file.
  returned: always
  type: list
  elements: str
  sample: ["200 lines, changed"]
added:
  description: The lines that were not in the file.
  returned: always
  type: list
  elements: str
removed:
  description: The lines that were in the file and are not in it any more.
  returned: always
  type: list
  elements: str
not_mapped:
  description: The credentials and entries that failed.
  returned: failure
  type: list
  elements: dict
  contains:
    accounts:
      description: The accounts, as far as they are known.
      returned: always
      type: list
      elements: str
    kept:
      description: The DNs that are in place for these accounts and stay.
      returned: always
      type: list
      elements: str
    error_code:
      description: A short stable identifier of the failure.
      returned: always
      type: str
    msg:
      description: What went wrong and what to do.
      returned: always
      type: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
