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
  - Writes the grid-mapfile. Grid services read in it which local account belongs to the subject of a certificate.
  - The lines come from the list of credentials that M(grid.security.pkcs12_pem) places, so nobody copies a DN by hand, and from
    lines of the site. The file has exactly these lines. Lines added by hand are removed.
  - The lines are in the given order, the lines of O(credentials) first. Globus uses the first line with the DN.
  - Only credentials that pass all checks of M(grid.security.pkcs12_pem) are mapped. A credential that another task of the same run
    refused is not mapped.
  - A credential or an entry that fails does not stop the others. Its account keeps the mapping that is in place. If the account of the
    item is unknown, all mappings in place stay, except the mappings of DNs that another item maps. In both cases the task
    fails after all other items are done.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
  - grid.security.cas.issuers
seealso:
  - module: grid.security.pkcs12_pem
    description: Places the credentials.
  - module: grid.security.node
    description: Writes the grid-mapfile and all other parts of a node in one call.
options:
  path:
    description: The path of the grid-mapfile.
    type: str
    default: /etc/grid-security/grid-mapfile
  mode:
    description: The mode of the grid-mapfile.
    type: raw
    default: "0644"
  credentials:
    description:
      - Credentials with the options of M(grid.security.pkcs12_pem). The subject of each present credential is mapped to its owner. The
        credentials need not be placed on this node.
      - The subject of an archive that lies on a node (C(remote_src)) is unknown. There is a warning.
    type: list
    elements: dict
    default: []
  entries:
    description:
      - Further mappings. Each item is a line of a grid-mapfile, or a dictionary with C(dn) and C(account) (a name or a list of names).
      - A DN that is mapped several times has one line with all its accounts, the accounts of O(credentials) first. DNs are compared as Globus
        compares them. Case and the spelling of C(emailAddress) do not count.
      - A line is read as Globus reads it, so a backslash starts an escape sequence. In C(dn), a backslash has no special meaning, except
        before C(/) and C(+), where OpenSSL 3 prints a backslash.
      - RFC 4514 and the other forms that C(openssl x509 -subject) prints are understood, too.
      - OpenSSL 3 and OpenSSL 1.1 print a DN with C(/) or C(+) in a value in different ways. Globus compares the text that its OpenSSL prints. So
        such a DN has two lines.
    type: list
    elements: raw
    default: []
  allow_empty:
    description: Whether the file may have no mapping at all.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Map the users of a list, a robot of another site, and a visitor
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
  description: A line about the file.
  returned: always
  type: list
  elements: str
  sample: ["200 lines, changed"]
added:
  description: The lines that were added.
  returned: always
  type: list
  elements: str
removed:
  description: The lines that were removed.
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
      description: The accounts that are known.
      returned: always
      type: list
      elements: str
    kept:
      description: The DNs in place that stay mapped to these accounts.
      returned: always
      type: list
      elements: str
    error_code:
      description: A short stable identifier of the failure.
      returned: always
      type: str
    msg:
      description: The cause of the failure and its remedy.
      returned: always
      type: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
