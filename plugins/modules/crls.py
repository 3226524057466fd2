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
  - Fetches the certificate revocation list of each CA in the sources on the controller, once per run for all hosts, checks it as
    clients do, and places it in the trust directory of nodes that have no way out to the CAs' servers.
  - A CRL is placed only if it was issued and signed by that CA, is valid now, and is not older than the one in place. A node
    compares one digest; only what differs travels.
  - If a CRL cannot be had, the one in place stays, and a warning names the CA, the cause, and what follows from it. The others are
    placed all the same.
  - Warnings are one line for each cause, however many CAs have it. The result has the details of each.
  - Redirects are followed, but not to loopback and link-local addresses, unless the URL itself leads to such an address.
    The address of the connection counts, not its name. Nothing from C(.netrc) is sent.
  - CRLs of CAs that are not in the sources are left alone.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes
options:
  sources:
    description:
      - Where the trust anchors come from, as of M(grid.security.trust_anchors). Their C(.info) or C(.crl_url) says where the CRLs are;
        CAs without need none.
      - Give the same sources and filters as there, so that both number CAs of one name in the same way.
    type: list
    elements: raw
    required: true
  path:
    description:
      - The trust directory. It is created with mode V(0755) if it is missing.
    type: str
    default: /etc/grid-security/certificates
  profiles:
    description:
      - Only CAs of these IGTF profiles, and the issuers of these.
    type: list
    elements: str
    default: []
  include:
    description:
      - Only these CAs, and their issuers, by alias or DN (shell patterns) or fingerprint (SHA-1 or SHA-256).
    type: list
    elements: str
    default: []
  exclude:
    description:
      - CAs whose CRLs are not fetched. O(required) passes without these CRLs, and CRLs in place stay.
      - Each item is named like those of O(include), or is a dictionary with C(alias) or C(dn), and C(reason).
    type: list
    elements: raw
    default: []
  exclude_expired:
    description:
      - Whether to leave out CAs that have expired.
    type: bool
    default: false
  on_unreadable:
    description:
      - What to do about files of the sources that cannot be used as CAs, as of M(grid.security.trust_anchors). V(fail) names all of
        them. V(skip) leaves them out with a warning.
    type: str
    choices: [fail, skip]
    default: fail
  timeout:
    description:
      - Seconds that one URL may take, from the connection to the last byte.
    type: float
    default: 30
  parallelism:
    description:
      - How many CRLs are fetched at a time.
    type: int
    default: 10
  http_proxy:
    description:
      - The URL of a proxy for http and https. Without it, the controller's environment (C(http_proxy), C(https_proxy),
        C(no_proxy)) says what is used.
      - A proxy resolves the names of servers. So the proxy has to refuse redirects to local addresses.
    type: str
  validate_certs:
    description:
      - Whether the certificates of https servers are checked, by the controller's own trust store. CRLs are signed, and most are
        fetched by http, so V(false) is no less safe than that.
    type: bool
    default: true
  allow_older:
    description:
      - Whether a CRL may replace one that was issued later.
    type: bool
    default: false
  remove_expired:
    description:
      - Whether to remove a CRL that has expired when no other can be had.
      - With it in place, clients refuse everything that the CA signed. Without it, they accept everything, also what the CA has
        revoked. So this is for a CA that has given up publishing, and that you trust nevertheless.
    type: bool
    default: false
  required:
    description:
      - Whether the task fails, after everything else is done, if a CA that has a CRL URL is left without a CRL that is valid now.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Place the CRLs of a release of IGTF
  grid.security.crls:
    sources: [igtf-preinstalled-bundle-classic-1.133.tar.gz]
    exclude_expired: true

- name: Place them through the site's proxy, and fail if any is missing
  grid.security.crls:
    sources: "{{ trust_anchors_sources }}"
    http_proxy: http://proxy.example.org:3128
    required: true
"""

RETURN = r"""
crls:
  description: The result for each CRL that a CA of the sources announces.
  returned: success
  type: list
  elements: dict
  contains:
    alias:
      description: The CA's alias.
      returned: always
      type: str
    subject_dn:
      description: The CA's DN as an OpenSSL one-line DN.
      returned: always
      type: str
    files:
      description: The paths under which clients look for the CRL, one for each kind of hash.
      returned: always
      type: list
      elements: str
    state:
      description:
        - V(fresh), V(expired), V(not_yet_valid), V(damaged) or V(missing), after the run (in check mode, as it would be then); of the
          two files, the worse.
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
      description: When the next one is due and this one expires (UTC, ISO 8601), or null.
      returned: always
      type: str
    hours_left:
      description: Whole hours until then, negative afterwards, or null.
      returned: always
      type: int
    url:
      description: The URL that had a good CRL, or null.
      returned: always
      type: str
    changed:
      description: Whether a file differed.
      returned: always
      type: bool
    changes:
      description: What changed, by file.
      returned: always
      type: list
      elements: str
    msg:
      description: Why no CRL could be had, or was not placed, and what follows from it; or null.
      returned: always
      type: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""
