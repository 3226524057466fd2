#!/usr/bin/python
# Copyright: grid.security contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: crl_info
short_description: Return the state of the CRLs in a trust directory
version_added: 0.1.0
description:
  - Looks at each CA in a trust directory that has a CRL distribution point (in its C(.info) or C(.crl_url) file). Returns the state of its CRL.
    The state depends on the files that clients read, C(HASH.r0) under both kinds of hash, and not on the exit status of the program that
    fetched them.
  - If the CRL of a CA has expired, clients refuse all certificates of the CA. If the CRL is missing, clients accept all certificates of the CA,
    also revoked certificates.
  - Signatures are not checked. The node needs only the standard library of Python.
author:
  - grid.security maintainers (@grid-security)
extends_documentation_fragment:
  - grid.security.attributes.info
seealso:
  - module: grid.security.crls
    description: Fetches CRLs and places them.
  - module: grid.security.trust_anchors
    description: Places the CAs.
options:
  path:
    description:
      - The trust directory.
    type: str
    default: /etc/grid-security/certificates
  hours_left:
    description:
      - A CRL that is valid for fewer hours than this has the state V(expiring).
    type: float
    default: 24
  exclude:
    description:
      - CAs whose CRLs may be missing or stale, such as a CA that publishes no CRLs any more. The result marks them as RV(crls[].excluded), and
        there is no warning about them.
      - Each item is an alias or a DN (shell patterns), or a fingerprint (SHA-1 or SHA-256), or a dictionary with C(alias) or C(dn), and
        C(reason). A DN may have any form that C(openssl x509 -subject) prints.
    type: list
    elements: raw
    default: []
  certificates:
    description:
      - Certificates to look for in all CRLs of the directory. The fields have the same names as in the results of
        M(grid.security.pkcs12_pem).
    type: list
    elements: dict
    default: []
    suboptions:
      issuer_dn:
        description: The issuer as an OpenSSL one-line DN. RFC 4514 and the other forms that C(openssl x509 -subject) prints are understood, too.
        type: str
        required: true
      serial_number:
        description: The serial number as a hexadecimal number.
        type: str
        required: true
  warn:
    description:
      - Whether there is a warning about CRLs that are expired, not yet valid, damaged or missing.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Read the CRLs
  grid.security.crl_info:
    hours_left: 48
  register: found

- name: Show the CAs whose CRLs are not fresh
  ansible.builtin.debug:
    msg: "{{ found.crls | rejectattr('state', 'eq', 'fresh') | items2dict(key_name='alias', value_name='state') }}"

- name: Read the CRLs, without warnings about a CA that publishes no CRLs any more
  grid.security.crl_info:
    exclude:
      - alias: Old-CA
        reason: closed in 2025, trusted until its last certificate expires
"""

RETURN = r"""
crls:
  description: A result for each CA that has a CRL distribution point.
  returned: success
  type: list
  elements: dict
  contains:
    alias:
      description: The CA's alias.
      returned: always
      type: str
    issuer:
      description: The CA's subject as an OpenSSL one-line DN, or null if its certificate is damaged.
      returned: always
      type: str
    state:
      description:
        - The state is V(fresh), V(expiring), V(expired), V(not_yet_valid), V(damaged) or V(missing). If the two files differ, the worse
          state counts. If there are several CRLs for one kind of hash, the best state counts.
      returned: always
      type: str
    file:
      description: The file with this state, or null.
      returned: always
      type: str
    sha256:
      description: The SHA-256 digest of this file, or null.
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
    expired_files:
      description: All CRL files of this CA that have expired.
      returned: always
      type: list
      elements: str
    msg:
      description: The damage, or null.
      returned: always
      type: str
    excluded:
      description: Whether O(exclude) names the CA.
      returned: always
      type: bool
    reason:
      description: The reason that O(exclude) gives, or null.
      returned: always
      type: str
  sample:
    - alias: CERN-Root-2
      issuer: /DC=ch/DC=cern/CN=CERN Root Certification Authority 2
      state: fresh
      file: /etc/grid-security/certificates/43a79f45.r0
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      number: 45
      this_update: "2026-11-02T08:00:00Z"
      next_update: "2027-05-02T08:00:00Z"
      hours_left: 4300
      expired_files: []
      msg: null
      excluded: false
      reason: null
revoked:
  description: The certificates of O(certificates) that a CRL lists.
  returned: success
  type: list
  elements: dict
  contains:
    issuer_dn:
      description: The issuer as an OpenSSL one-line DN.
      returned: always
      type: str
    serial_number:
      description: The serial number as a hexadecimal number.
      returned: always
      type: str
    revoked_on:
      description: When the certificate was revoked (UTC).
      returned: always
      type: str
    file:
      description: The file of the CRL.
      returned: always
      type: str
error_code:
  description: A short stable identifier of the failure.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.grid.security.plugins.module_utils._common import times
from ansible_collections.grid.security.plugins.module_utils._common.errors import GridSecurityError
from ansible_collections.grid.security.plugins.module_utils._files import answers
from ansible_collections.grid.security.plugins.module_utils._trust import anchor_filters, crl_store, revocation

CERTIFICATE = {
    "issuer_dn": {"type": "str", "required": True},
    "serial_number": {"type": "str", "required": True},
}
OPTIONS = {
    "path": {"type": "str", "default": "/etc/grid-security/certificates"},
    "hours_left": {"type": "float", "default": 24},
    "exclude": {"type": "list", "elements": "raw", "default": []},
    "certificates": {"type": "list", "elements": "dict", "default": [], "options": CERTIFICATE},
    "warn": {"type": "bool", "default": True},
}
_REMEDY = "Check that it is the right directory."


def main() -> None:
    """Read the CRLs and judge them."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    try:
        exclusions = anchor_filters.read_exclusions(module.params["exclude"])
        crls = crl_store.survey(module.params["path"], module.params["hours_left"], times.now(), exclusions)
        revoked = revocation.revoked(module.params["path"], module.params["certificates"])
        answer = answers.checked({"crls": crls, "revoked": revoked}, answers.LARGEST)
    except GridSecurityError as error:
        module.fail_json(msg=error.message, error_code=error.error_code)
    except answers.AnswerError as error:
        module.fail_json(
            msg=f"The result about {module.params['path']} has {error}. {_REMEDY}", error_code="bad_answer"
        )
    for warning in crl_store.warnings(crls) if module.params["warn"] else []:
        module.warn(warning)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
