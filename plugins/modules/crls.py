#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crls
short_description: Fetch CRLs on the controller and place them on nodes
version_added: 0.1.0
description:
  - Fetches the CRL of each CA in the sources on the controller, once per run for all hosts. Checks it as clients do, and places it in the trust
    directory of nodes that cannot reach the servers of the CAs.
  - A CRL is placed only if its CA issued and signed it, if it is valid now, and if it is not older than the CRL in place. A node
    compares one digest. Only CRLs that differ are sent.
  - If a CRL cannot be fetched, the CRL in place stays, and a warning names the CA, the cause and the consequence. The other CRLs are
    placed.
  - There is one warning for each cause, for all CAs with this cause. The result has the details of each CA.
  - Redirects are followed, but not to loopback and link-local addresses, unless the URL itself leads to such an address.
    The address of the connection counts, not its name. Nothing from C(.netrc) is sent.
  - CRLs of CAs that are not in the sources stay as they are.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
  - grid.security.cas
notes:
  - The C(.info) and C(.crl_url) files of the CAs contain the CRL distribution points. CAs without these files need no CRL.
  - Give this module the same sources and filters as M(grid.security.trust_anchors). Then both number CAs with the same name in the same way.
seealso:
  - module: grid.security.trust_anchors
    description: Places the CAs.
  - module: grid.security.crl_info
    description: Reads the CRLs on a node.
options:
  path:
    description:
      - The trust directory. It is created with mode V(0755) if it is missing.
    type: str
    default: /etc/grid-security/certificates
  exclude:
    description:
      - CAs whose CRLs are not fetched. O(required) ignores these CRLs, and CRLs in place stay.
      - Each item is an item of O(include), or a dictionary with C(alias) or C(dn), and C(reason).
    type: list
    elements: raw
    default: []
  timeout:
    description:
      - The limit for one URL in seconds, from the connection to the last byte.
    type: float
    default: 30
  parallelism:
    description:
      - The number of CRLs that are fetched at the same time.
    type: int
    default: 10
  http_proxy:
    description:
      - The URL of a proxy for http and https. The default is the proxy in the environment of the controller (C(http_proxy), C(https_proxy),
        C(no_proxy)).
      - The proxy resolves the names of servers. Therefore the proxy must refuse redirects to local addresses.
    type: str
  validate_certs:
    description:
      - Whether to check the certificates of https servers with the trust store of the controller. CRLs are signed, and most CRLs are
        fetched by http. So V(false) is as safe as http.
    type: bool
    default: true
  allow_older:
    description:
      - Whether to replace a CRL by a CRL that was issued earlier.
    type: bool
    default: false
  remove_expired:
    description:
      - Whether to remove a CRL that has expired if no other CRL can be fetched.
      - If an expired CRL is in place, clients refuse all certificates of the CA. If no CRL is in place, clients accept all certificates of the
        CA, also revoked certificates. Use this option only for a CA that publishes no CRLs any more and that you still trust.
    type: bool
    default: false
  required:
    description:
      - Whether the task fails if a CA with a CRL distribution point has no valid CRL. It fails after everything else is done.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Place the CRLs of an IGTF release
  grid.security.crls:
    sources: [igtf-preinstalled-bundle-classic-1.133.tar.gz]
    exclude_expired: true

- name: Fetch the CRLs through the proxy of the site, and fail if a CRL is missing
  grid.security.crls:
    sources: "{{ trust_anchors_sources }}"
    http_proxy: http://proxy.example.org:3128
    required: true
"""

RETURN = r"""
crls:
  description: A result for each CA of the sources that has a CRL distribution point.
  returned: success
  type: list
  elements: dict
  contains:
    alias:
      description: The CA's alias.
      returned: always
      type: str
    subject_dn:
      description: The CA's subject as an OpenSSL one-line DN.
      returned: always
      type: str
    files:
      description: The paths at which clients look for the CRL, a path for each kind of hash.
      returned: always
      type: list
      elements: str
    state:
      description:
        - The state after the run, or in check mode the state that it would have. It is V(fresh), V(expired), V(not_yet_valid), V(damaged)
          or V(missing). If the two files differ, the worse state counts.
      returned: always
      type: str
    number:
      description: The CRL number, or null.
      returned: always
      type: int
    this_update:
      description: When the CRL was issued (UTC, ISO 8601), or null.
      returned: always
      type: str
    next_update:
      description: When the CRL expires and the next CRL is due (UTC, ISO 8601), or null.
      returned: always
      type: str
    hours_left:
      description: Whole hours until the CRL expires, or null. The number is negative if it has expired.
      returned: always
      type: int
    url:
      description: The URL of the CRL that was fetched, or null.
      returned: always
      type: str
    changed:
      description: Whether something changed, or would change in check mode.
      returned: always
      type: bool
    changes:
      description: What changed, for each file.
      returned: always
      type: list
      elements: str
    msg:
      description: Why no CRL was fetched or placed, and the consequence, or null.
      returned: always
      type: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
